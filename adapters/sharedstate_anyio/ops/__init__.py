"""Operations: readiness, metrics, outages, warnings."""
