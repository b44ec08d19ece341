"""What is different from one model family to the next: its graphs, and what the manifest says of it.

A family is a module with

    NAME                                its name in a manifest
    PUBLISHED                           fields of the published model's manifest that its makers recommend
    check(checkpoint)                   raises `Unfit` unless it is of this family
    export_transformer(module, path)    the transformer as a graph
    export_vae(module, folder)          the VAE as graphs
    facts(configurations)               fields of the manifest that follow from the components' configurations
"""
