"""Output tokens as they are billed: thinking included, once."""

import numpy as np
import pandas as pd


def billable_output_tokens(output: pd.Series, total: pd.Series, prompt: pd.Series) -> pd.Series:
    """Output tokens, or total − prompt where some of the total is neither: thinking that ``output`` leaves out.

    Vendors differ: some count thinking among the output tokens, some only in the total. Thinking tokens alone are
    never the bill: the visible answer is billed too.

    Args:
        output: output tokens as logged.
        total: all tokens of the generation; NA where unknown.
        prompt: all tokens of the prompt, read from or written to a cache or not; NA where unknown.

    Returns:
        Billed output tokens; NA where ``output`` is and no total helps out.

    Example:
        >>> counts = pd.DataFrame({"output": [30, 10], "total": [44, 324], "prompt": [14, 14]}, dtype="Float64")
        >>> billable_output_tokens(counts["output"], counts["total"], counts["prompt"]).tolist()
        [30.0, 310.0]
    """
    rest = (total - prompt).astype("Float64")
    known = output.astype("Float64")
    more = (rest > known).fillna(False) | (known.isna() & (rest >= 0).fillna(False))
    return known.mask(more.to_numpy(dtype=bool), rest)


def thinking_outside(billed: pd.Series, thinking: pd.Series) -> int:
    """How many rows have more thinking tokens than billed ones, as where thinking was left out of the bill."""
    return int(np.sum((thinking > billed).fillna(False).to_numpy(dtype=bool)))
