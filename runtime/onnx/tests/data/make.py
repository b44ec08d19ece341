"""Makes the small graphs that the tests of pickup-onnx run.

Needs numpy and onnx. Run in this folder: python make.py
Values are small integers and powers of two, so that half precision holds them exactly.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = [helper.make_opsetid("", 20)]


def value(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def save(name, nodes, inputs, outputs, initializers, **options):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, f"{name}.onnx", **options)


def probe():
    """y = x · [[1, 2], [3, 4]] + [1, 1]; decides whether a provider works."""
    weights = constant("w", np.array([[1, 2], [3, 4]], np.float32))
    bias = constant("b", np.array([1, 1], np.float32))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["y"]),
    ]
    ends = [value("x", TensorProto.FLOAT, [1, 2])], [value("y", TensorProto.FLOAT, [1, 2])]
    save("probe", nodes, *ends, [weights, bias])


def blend(name, element):
    """sum = x + scale · y and difference = x - y, of any shape (n, 3), in `element`."""
    nodes = [
        helper.make_node("Mul", ["y", "scale"], ["scaled"]),
        helper.make_node("Add", ["x", "scaled"], ["sum"]),
        helper.make_node("Sub", ["x", "y"], ["difference"]),
    ]
    inputs = [value("x", element, ["n", 3]), value("y", element, ["n", 3]), value("scale", element, [1])]
    outputs = [value("sum", element, ["n", 3]), value("difference", element, ["n", 3])]
    save(name, nodes, inputs, outputs, [])


def tokens():
    """embedding[i] = table[ids[i]] and next = ids + 1; ids are int64, next is int32."""
    table = constant("table", np.arange(20, dtype=np.float32).reshape(5, 4))
    one = constant("one", np.array(1, np.int64))
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["embedding"]),
        helper.make_node("Add", ["ids", "one"], ["plus"]),
        helper.make_node("Cast", ["plus"], ["next"], to=TensorProto.INT32),
    ]
    outputs = [value("embedding", TensorProto.FLOAT, ["n", 4]), value("next", TensorProto.INT32, ["n"])]
    save("tokens", nodes, [value("ids", TensorProto.INT64, ["n"])], outputs, [table, one])


def slow():
    """y = tanh applied `turns` times to x: as long as one likes, in many nodes."""
    body = helper.make_graph(
        [helper.make_node("Tanh", ["state"], ["next"]), helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [value("turn", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("state", TensorProto.FLOAT, [64])],
        [value("go_on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, [64])],
    )
    go = constant("go", np.array(True))
    node = helper.make_node("Loop", ["turns", "go", "x"], ["y"], body=body)
    inputs = [value("x", TensorProto.FLOAT, [64]), value("turns", TensorProto.INT64, [])]
    save("slow", [node], inputs, [value("y", TensorProto.FLOAT, [64])], [go])


def external():
    """y = x · w with w = 2 · identity (64 × 64) in external.bin."""
    weights = constant("w", 2 * np.eye(64, dtype=np.float32))
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    ends = [value("x", TensorProto.FLOAT, ["n", 64])], [value("y", TensorProto.FLOAT, ["n", 64])]
    save("external", [node], *ends, [weights], save_as_external_data=True, location="external.bin", size_threshold=0)


def strings():
    """A graph of strings, which Pickup has no use for."""
    node = helper.make_node("Identity", ["x"], ["y"])
    ends = [value("x", TensorProto.STRING, ["n"])], [value("y", TensorProto.STRING, ["n"])]
    save("strings", [node], *ends, [])


if __name__ == "__main__":
    probe()
    blend("blend_f32", TensorProto.FLOAT)
    blend("blend_f16", TensorProto.FLOAT16)
    tokens()
    slow()
    external()
    strings()
