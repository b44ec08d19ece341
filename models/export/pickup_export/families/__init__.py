"""What is different from one model family to the next: the transformer's graph, and what the manifest says of it.

A family is a module with

    NAME                                its name in a manifest
    PUBLISHED                           fields of the published model's manifest that its makers recommend
    check(checkpoint)                   raises `Unfit` unless it is of this family
    Graph(module)                       the transformer with the graph's inputs and output
    sample(config, f, h, w, l)          random inputs of that, by name
    export_transformer(module, path)    the transformer as a graph
    facts(configurations)               fields of the manifest that follow from the components' configurations
"""
