"""A plugin of pytest that puts our perceptrons in the place of scikit-learn's before tests are collected."""

import sklearn.neural_network

import backpass.sklearn

sklearn.neural_network.MLPClassifier = backpass.sklearn.MLPClassifier
sklearn.neural_network.MLPRegressor = backpass.sklearn.MLPRegressor
