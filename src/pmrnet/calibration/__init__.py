"""Whether the predicted standard deviation says how wrong a displacement is.

`points` holds predictions beside errors, `known_deformation` and `label_boundaries` find errors,
`prediction` asks a network for its standard deviation, `reliability` compares the two,
`temperature_fit` finds the factor of the variance that mends it, and `study` does all of it for a
data set and stores the numbers.
"""
