"""Every figure of the docs, measured beside what it is compared with, in the same run."""
