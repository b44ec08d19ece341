"""What is different from one model family to the next: its graphs, and what the manifest says of it.

A family is a module with

    NAME                                its name in a manifest
    PUBLISHED                           fields of the published model's manifest that its makers recommend
    ORIGINAL                            what its makers call the transformer's layers, in pairs with diffusers' names
    check(checkpoint)                   raises `Unfit` unless it is of this family
    Graph(module)                       the transformer with the graph's inputs and output
    sample(config, f, h, w, l, rng)     random inputs of that, by name
    trace_transformer(module)           the transformer as a graph
    trace_vae(module)                   the VAE as graphs
    vae_cases(module, size, rng)        golden values of `vae_encoder` and `vae_decoder`
    facts(configurations)               fields of the manifest that follow from the components' configurations
"""
