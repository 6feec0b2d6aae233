"""What readers see of a collection through a filter, a rule, or both."""
