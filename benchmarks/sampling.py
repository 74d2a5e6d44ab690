"""Time and memory of exact curves from samples: best of n, majority vote, pass@k.

    python -m benchmarks.sampling [--samples 128] [--drawn 64] [--answers 60] [--questions 100]

Synthetic samples: every question has the given number of distinct answers, the right one among the frequent ones, and
synthetic rewards. First the majority vote of one question is checked against whole numbers. "Alone" is one question at a
time, "together" all in one call; both are the time of a question, for one n. "Processor" is what the slowest question alone
takes of all cores, whatever else the machine does. "All n" asks for every power of 2 up to n at once. Memory is the peak of
what one call for all questions allocates.
"""

import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from math import comb

import numpy as np
import typer

from benchmarks.timing import machine, show

Kernel = Callable[[slice, list[int]], np.ndarray]


def exact_majority(counts: list[int], right: int, drawn: int) -> Fraction:
    """P(the right answer wins the vote), in whole numbers: for each winning count, ways by draws and by tied rivals."""
    total = Fraction(0)
    for votes in range(1, min(counts[right], drawn) + 1):
        ways = {(votes, 0): comb(counts[right], votes)}
        for rival in (count for k, count in enumerate(counts) if k != right):
            grown: dict[tuple[int, int], int] = {}
            for (used, tied), number in ways.items():
                for more in range(min(rival, votes, drawn - used) + 1):
                    key = (used + more, tied + (more == votes))
                    grown[key] = grown.get(key, 0) + number * comb(rival, more)
            ways = grown
        total += sum(
            (Fraction(number, tied + 1) for (used, tied), number in ways.items() if used == drawn), Fraction(0)
        )
    return total / comb(sum(counts), drawn)


def questions_of(samples: int, answers: int, questions: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts of every answer, most frequent first, and a mark at the right one: one of the three most frequent."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(answers, 0.1), questions)
    counts = np.stack([1 + rng.multinomial(samples - answers, share) for share in shares])
    counts = -np.sort(-counts, axis=1)
    worth = np.zeros(counts.shape)
    worth[np.arange(questions), rng.integers(0, min(3, answers), questions)] = 1.0
    return counts, worth


def main(samples: int = 128, drawn: int = 64, answers: int = 60, questions: int = 100) -> None:
    """Print the table."""
    from games.sampling import best_of_n_accuracy, majority_accuracy, pass_at_k_accuracy

    counts, worth = questions_of(samples, answers, questions)
    nobody = np.zeros(questions, int)
    right = (counts * worth).sum(axis=1).astype(int)
    correct = (np.arange(samples) < right[:, None]).astype(float)
    rewards = correct + np.random.default_rng(1).normal(size=correct.shape)  # synthetic
    total = np.full(questions, samples)
    kernels: dict[str, Kernel] = {
        "majority": lambda part, ns: majority_accuracy(counts[part], worth[part], nobody[part], ns),
        "best of n": lambda part, ns: best_of_n_accuracy(correct[part], rewards[part], ns),
        "pass@k": lambda part, ns: pass_at_k_accuracy(right[part], total[part], ns),
    }
    exact = float(exact_majority(counts[0].tolist(), int(worth[0].argmax()), drawn))
    error = abs(float(kernels["majority"](slice(0, 1), [drawn])[0, 0]) - exact)
    assert error < 1e-9, error
    powers = [2**k for k in range(drawn.bit_length()) if 2**k <= drawn]
    rows = []
    for name, kernel in kernels.items():
        alone = [_seconds(kernel, slice(q, q + 1), [drawn]) for q in range(min(questions, 20))]
        together = _seconds(kernel, slice(None), [drawn]) / questions
        every = _seconds(kernel, slice(None), powers) / questions
        tracemalloc.start()
        kernel(slice(None), [drawn])
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        busy = max(_seconds(kernel, slice(q, q + 1), [drawn], time.process_time) for q in range(min(questions, 20)))
        times = [float(np.median(alone)), max(alone), busy, together, every]
        rows.append([name, *(f"{1e3 * x:.2f} ms" for x in times), f"{peak:.1f} MB"])
    show(
        f"{questions} questions, {samples} samples, {answers} answers, n = {drawn}, on {machine()}",
        ["a question", "alone, median", "alone, slowest", "processor", "together", "all n", "memory"],
        rows,
    )
    print(f"majority of question 1: {exact:.12f} in whole numbers, ours differs by {error:.1e}")


def _seconds(kernel: Kernel, part: slice, drawn: list[int], clock: Callable[[], float] = time.perf_counter) -> float:
    """Best of three calls."""
    times = []
    for _ in range(3):
        start = clock()
        kernel(part, drawn)
        times.append(clock() - start)
    return min(times)


if __name__ == "__main__":
    typer.run(main)
