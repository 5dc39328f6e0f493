"""Estimators on tables: scores and fit times beside scikit-learn's, with equal settings."""
