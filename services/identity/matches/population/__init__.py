"""All members there are, judged by policies: for a simulation, or to bring them under policies that are new."""
