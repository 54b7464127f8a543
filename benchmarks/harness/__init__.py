"""Parts that the benchmark scripts share: processes, the native mock and load generator, contestants, tables."""
