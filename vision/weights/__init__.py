"""ImageNet weights: files of other projects converted to ours, and what a network starts from.

`python -m vision.weights SOURCE --backbone NAME --out FILE.params` converts. One module reads each format and returns a
`Source`; `convert` maps it to our parameters and reports on each of them; `pretrained` is what training loads.
"""
