"""What is different from one model family to the next: its graphs, and what the manifest says of it.

A family is a module with

    NAME                                its name in a manifest
    PUBLISHED                           fields of the published model's manifest that its makers recommend
    check(checkpoint)                   raises `Unfit` unless it is of this family
    Graph(module)                       the transformer with the graph's inputs and output
    sample(config, f, h, w, l)          random inputs of that, by name
    export_transformer(module, path)    the transformer as a graph
    export_vae(module, folder)          the VAE as graphs
    compare_vae(module, folder, size, run)    what these graphs make of random input, and what is right, by name
    facts(configurations)               fields of the manifest that follow from the components' configurations
"""
