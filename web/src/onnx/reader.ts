/**
 * What an ONNX graph may be, read from its bytes.
 *
 * A bundle comes from anywhere. Of all that ONNX can say, this lets through one flat graph of known operators with its
 * weights inside. A field, type, operator or domain that is not named here is refused, and so are subgraphs, local
 * functions, external data, sparse tensors, tensors whose bytes do not fit their shape, a field that stands twice where
 * ONNX has one, and sizes beyond any VAE's. The schema below has no cycle, so it bounds the depth; how many fields are
 * read is bounded too.
 */

import { DOUBLE, FLOAT, INT32, INT64, ITEM_BYTES } from "../guard/kinds.js";
import { DOMAINS } from "../guard/rules.js";
import { known, type Model, MAX_NUMBERS, type Node, type Stored } from "../guard/terms.js";
import { bytes, type Field, name as nameOf, Reader, refuse, schema, text } from "./protobuf.js";

/** Elements of one tensor of the file, or of an event: 256 MiB of float32. */
export const MAX_ELEMENTS = 1 << 26;
export const MAX_NODES = 4096;
/** Opsets in which the rules hold: below 11, Clip, Pad and Resize have other inputs. */
export const OPSETS = [11, 23] as const;
const MAX_ATTRIBUTE = 4096; // kernels, strides, pads, axes
const AS_THEY_ARE = ["Constant", "Split"]; // operators whose numbers are judged where they are used

// The fields that are let through, by ONNX's names for them; a repeated number may stand alone or packed.
const MODEL = schema(
  "ir_version=1v producer_name=2b producer_version=3b domain=4b model_version=5v doc_string=6b graph=7b " +
    "opset_import=8b metadata_props=14b",
);
const GRAPH = schema(
  "node=1b name=2b initializer=5b doc_string=10b input=11b output=12b value_info=13b quantization_annotation=14b " +
    "metadata_props=16b",
);
const NODE = schema("input=1b output=2b name=3b op_type=4b attribute=5b doc_string=6b domain=7b metadata_props=9b");
const ATTRIBUTE = schema("name=1b f=2f i=3v s=4b t=5b floats=7fb ints=8vb strings=9b doc_string=13b type=20v");
const ATTRIBUTE_TYPES: Record<number, string> = {
  1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings",
};
const TENSOR = schema(
  "dims=1vb data_type=2v float_data=4b int32_data=5vb int64_data=7vb name=8b raw_data=9b double_data=10b " +
    "doc_string=12b data_location=14v metadata_props=16b",
);
const VALUE = schema("name=1b type=2b doc_string=3b metadata_props=4b");
const TYPE = schema("tensor_type=1b denotation=6b");
const TENSOR_TYPE = schema("elem_type=1v shape=2b");
const SHAPE = schema("dim=1b");
const DIM = schema("dim_value=1v dim_param=2b denotation=3b");
const PROPERTY = schema("key=1b value=2b");
const OPSET = schema("domain=1b version=2v");

/** The graph in an ONNX model; throws RefusedError where it is more than a VAE needs. */
export function read(data: Uint8Array): Model {
  return new ModelReader().model(data);
}

class ModelReader extends Reader {
  model(view: Uint8Array): Model {
    const graphs: Uint8Array[] = [];
    const opsets: number[] = [];
    for (const [name, value] of this.fields(view, "model", MODEL)) {
      if (name === "graph") graphs.push(bytes(value));
      else if (name === "opset_import") {
        const entry = this.single(bytes(value), "opset", OPSET);
        if (["", "ai.onnx"].includes(text(entry.get("domain")))) opsets.push(Number(entry.get("version") ?? 0));
      } else if (name === "metadata_props") {
        const key = text(this.single(bytes(value), "property", PROPERTY).get("key"));
        if (key === "ort_config") refuse("brings options for ONNX Runtime");
      }
    }
    if (graphs.length !== 1) refuse(`should hold one graph, it holds ${graphs.length}`);
    const [opset] = opsets;
    if (opsets.length !== 1 || opset! < OPSETS[0] || opset! > OPSETS[1]) {
      refuse(`is of opset [${opsets}], one of ${OPSETS[0]} to ${OPSETS[1]} is read`);
    }
    return this.graph(graphs[0]!, opset!);
  }

  private graph(view: Uint8Array, opset: number): Model {
    const nodes: Uint8Array[] = [];
    const inputs = new Map<string, (number | null)[]>();
    const types = new Map<string, number>();
    const weights = new Map<string, Stored>();
    const outputs = new Set<string>();
    for (const [name, field] of this.fields(view, "graph", GRAPH)) {
      const value = bytes(field);
      if (name === "node") {
        nodes.push(value);
        if (nodes.length > MAX_NODES) refuse(`has more than ${MAX_NODES} nodes`);
      } else if (name === "input" || name === "output" || name === "value_info") {
        const [title, dims, type] = this.value(value);
        if (name === "input") {
          inputs.set(title, dims);
          types.set(title, type);
        } else if (name === "output") outputs.add(title);
      } else if (name === "initializer") {
        const [title, tensor] = this.tensor(value);
        if (weights.has(title)) refuse(`has two weights '${title.slice(0, 40)}'`);
        weights.set(title, tensor);
      }
    }
    return { opset, nodes: nodes.map((node) => this.node(node)), inputs, types, weights, outputs };
  }

  private node(view: Uint8Array): Node {
    const held = collect(this.fields(view, "node", NODE));
    const [operators, domains] = [held("op_type").map(text), held("domain").map(text)];
    const operator = operators.at(-1) ?? "";
    const domain = domains.at(-1) ?? "";
    if (operators.length !== 1 || domains.length > 1 || !DOMAINS.get(domain)?.has(operator)) {
      refuse(`has the operator ${domain && `${domain}:`}${operator || "?"}, which no VAE needs`);
    }
    const node: Node = {
      operator,
      inputs: held("input").map(nameOf),
      outputs: held("output").map(nameOf),
      ints: new Map(),
      floats: new Map(),
      texts: new Map(),
      tensors: new Map(),
    };
    const titles = new Set<string>();
    for (const attribute of held("attribute")) {
      const title = this.attribute(bytes(attribute), node);
      if (titles.has(title)) refuse(`has ${operator} with two attributes '${title.slice(0, 40)}'`);
      titles.add(title);
    }
    return node;
  }

  /** Adds an attribute to its node, and returns its name. */
  private attribute(view: Uint8Array, node: Node): string {
    const held = collect(this.fields(view, "attribute", ATTRIBUTE));
    const title = nameOf(held("name").at(-1));
    const kind = ATTRIBUTE_TYPES[Number(held("type").at(-1) ?? 0)] ?? "";
    const others = held.names().filter((name) => !["name", "type", "doc_string", kind].includes(name));
    const values = held(kind);
    // ONNX Runtime would take its default for an attribute of another type than it looks for
    if (others.length || (!["ints", "floats", "strings"].includes(kind) && values.length !== 1)) {
      refuse(`has ${node.operator} with an attribute '${title.slice(0, 40)}' that is not what its type says`);
    }
    if (kind === "t") node.tensors.set(title, this.tensor(bytes(values[0]))[1]);
    else if (kind === "i" || kind === "ints") {
      const integers = values.flatMap((value) => this.integers(value));
      const worst = integers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
      if (worst > MAX_ATTRIBUTE && !AS_THEY_ARE.includes(node.operator)) {
        refuse(`has ${node.operator} with ${worst} in an attribute, at most ${MAX_ATTRIBUTE} is used`);
      }
      node.ints.set(title, integers);
    } else if (kind === "s") node.texts.set(title, text(values[0]));
    else if (kind === "f" || kind === "floats") {
      node.floats.set(title, values.flatMap((value) => this.floats(bytes(value))));
    }
    return title;
  }

  /** A tensor and its name; its values where they are few enough to be sizes or scales. */
  private tensor(view: Uint8Array): [string, Stored] {
    let title = "";
    let type = 0;
    let raw = new Uint8Array(0);
    const dims: number[] = [];
    const typed: Field[] = [];
    // how much of each: in bytes, but for the integers
    const held: Record<string, number> = { raw_data: 0, float_data: 0, double_data: 0, integers: 0 };
    for (const [name, value] of this.fields(view, "tensor", TENSOR)) {
      if (name === "dims") {
        dims.push(...this.integers(value));
        elements(dims); // while they are few
      } else if (name === "data_type") type = Number(value);
      else if (name === "name") title = nameOf(value);
      else if (name === "data_location" && value !== 0) refuse("has external data");
      else if (name === "raw_data") {
        raw = bytes(value) as Uint8Array<ArrayBuffer>;
        held[name] = raw.length;
      } else if (name === "int32_data" || name === "int64_data") {
        typed.push(value);
        held["integers"]! += this.amount(value); // large ones come as raw_data
      } else if (name === "float_data" || name === "double_data") {
        typed.push(value);
        held[name]! += bytes(value).length;
      }
    }
    const itemBytes = ITEM_BYTES.get(type);
    if (itemBytes === undefined) refuse(`has a tensor of data type ${type}, which no VAE needs`);
    const total = elements(dims);
    const [field, width] = type === FLOAT ? ["float_data", 4] : type === DOUBLE ? ["double_data", 8] : ["integers", 1];
    const wanted: Record<string, number> = { raw_data: total * itemBytes, [field as string]: total * Number(width) };
    const used = Object.keys(held).filter((name) => held[name]);
    if (used.length > 1 || held[used[0] ?? "raw_data"] !== wanted[used[0] ?? "raw_data"]) {
      refuse(`has a tensor of shape [${dims}] with data of another size or type`);
    }
    const tensor = { dims, shape: dims.map(known), type, raw, typed };
    if (total > MAX_NUMBERS || ![FLOAT, INT32, INT64].includes(type)) return [title, tensor];
    if (type === FLOAT) {
      const parts = held["raw_data"] ? [raw] : typed.map(bytes);
      return [title, { ...tensor, floats: parts.flatMap((part) => this.floats(part)) }];
    }
    if (!held["raw_data"]) {
      return [title, { ...tensor, numbers: typed.flatMap((part) => this.integers(part)).map(known) }];
    }
    const words = new DataView(raw.buffer, raw.byteOffset, raw.length);
    const numbers = Array.from({ length: total }, (_, index) =>
      known(type === INT32 ? words.getInt32(4 * index, true) : Number(words.getBigInt64(8 * index, true))),
    );
    return [title, { ...tensor, numbers }];
  }

  /** Name, shape and data type of an input, an output or a value between; null where a size is not written. */
  private value(view: Uint8Array): [string, (number | null)[], number] {
    const value = this.single(view, "value", VALUE);
    const type = this.single(bytes(value.get("type")), "type", TYPE);
    const tensor = this.single(bytes(type.get("tensor_type")), "tensor type", TENSOR_TYPE);
    const sizes: (number | null)[] = [];
    for (const [, dim] of this.fields(bytes(tensor.get("shape")), "shape", SHAPE)) {
      const written = this.single(bytes(dim), "dim", DIM).get("dim_value");
      sizes.push(typeof written === "number" ? written : null);
    }
    elements(sizes.map((size) => size ?? 1));
    return [nameOf(value.get("name")), sizes, Number(tensor.get("elem_type") ?? 0)];
  }
}

/** The values of repeated fields by name. */
function collect(fields: Iterable<[string, Field]>): ((name: string) => Field[]) & { names(): string[] } {
  const held = new Map<string, Field[]>();
  for (const [name, value] of fields) {
    const values = held.get(name);
    if (values) values.push(value);
    else held.set(name, [value]);
  }
  return Object.assign((name: string) => held.get(name) ?? [], { names: () => [...held.keys()] });
}

/** How many elements a tensor of these sizes has; refuses what is too large, also where one size is 0. */
function elements(dims: readonly number[]): number {
  const largest = dims.reduce((total, size) => total * (size || 1), 1);
  if (dims.length > 8 || dims.some((size) => size < 0) || largest > MAX_ELEMENTS) {
    const listed = `[${dims.slice(0, 9)}]`.slice(0, 60);
    refuse(`has a tensor of shape ${listed}, at most ${MAX_ELEMENTS.toLocaleString("en")} elements are held`);
  }
  return dims.includes(0) ? 0 : largest;
}
