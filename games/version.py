"""The version of this software: the one place that says it; no installation is asked."""

VERSION = "0.1.0"
