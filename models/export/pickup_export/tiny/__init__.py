"""Models of a few hundred kilobytes with random weights: real in everything but size.

Each is a module with

    NAME            the folder of its package
    FAMILY          its module of `families`
    build()         the whole model as diffusers runs it
    write(pipeline, folder)    the same as a package
"""
