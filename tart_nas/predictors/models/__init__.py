"""The kinds of predictors, one file each, and what several of them share."""
