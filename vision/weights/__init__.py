"""ImageNet weights: converting files of other projects, and loading the result into a network.

`python -m vision.weights SOURCE --backbone NAME --out FILE.params` converts. There is one reader per file format; each
returns a `source.Source`. `convert` maps it to the parameters of a backbone. `pretrained` loads weights for training.
"""
