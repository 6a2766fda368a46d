"""The whole road in single steps: gather, prepare, fit, score, compare, plan, demonstrate."""
