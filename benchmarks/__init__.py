"""Every figure of the README, measured beside what it is compared with, in the same run."""
