"""The charts of the report and of the explorer, as Vega-Lite specifications: one definition for page, paper and app."""
