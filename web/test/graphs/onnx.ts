/** ONNX models written byte by byte, so that tests can write what no library would. */

export type Bytes = Uint8Array;

export function joined(...parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export function varint(value: number | bigint): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Uint8Array.from([...out, Number(rest)]);
}

export function field(number: number, value: number | bigint | string | Bytes): Bytes {
  if (typeof value === "number" || typeof value === "bigint") return joined(varint(number << 3), varint(value));
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return joined(varint((number << 3) | 2), varint(bytes.length), bytes);
}

export function fraction(number: number, value: number): Bytes {
  return joined(varint((number << 3) | 5), new Uint8Array(Float32Array.of(value).buffer));
}

export type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly tensor: Bytes };

/** An attribute: a whole number, a list of them, a text, a fraction or a tensor. */
export function attribute(name: string, value: Attribute): Bytes {
  const title = field(1, name);
  if (typeof value === "number") return joined(title, field(3, value), field(20, 2));
  if (typeof value === "string") return joined(title, field(4, value), field(20, 3));
  if ("float" in (value as object)) return joined(title, fraction(2, (value as { float: number }).float), field(20, 1));
  if ("tensor" in (value as object)) return joined(title, field(5, (value as { tensor: Bytes }).tensor), field(20, 4));
  return joined(title, ...(value as readonly number[]).map((number) => field(8, number)), field(20, 7));
}

/** ONNX's numbers of data types. */
export const TYPES = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, double: 11 } as const;
export type Type = keyof typeof TYPES;

export function raw(type: Type, data: readonly number[]): Bytes {
  const arrays = {
    float: () => Float32Array.from(data),
    uint8: () => Uint8Array.from(data),
    int8: () => Int8Array.from(data),
    int32: () => Int32Array.from(data),
    int64: () => BigInt64Array.from(data, BigInt),
    bool: () => Uint8Array.from(data),
    float16: () => Uint16Array.from(data),
    double: () => Float64Array.from(data),
  };
  return new Uint8Array(arrays[type]().buffer);
}

export function tensor(name: string, dims: readonly number[], bytes: Bytes, type: Type = "float"): Bytes {
  return joined(...dims.map((size) => field(1, size)), field(2, TYPES[type]), field(8, name), field(9, bytes));
}

export function node(
  operator: string, inputs: readonly string[], outputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {},
  domain = "",
): Bytes {
  return joined(
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, operator),
    ...Object.entries(attributes).map(([name, value]) => field(5, attribute(name, value))),
    ...(domain ? [field(7, domain)] : []),
  );
}

export function value(name: string, dims: readonly (number | string)[], type: Type = "float"): Bytes {
  const shape = dims.map((dim) => field(1, typeof dim === "string" ? field(2, dim) : field(1, dim)));
  return joined(field(1, name), field(2, field(1, joined(field(1, TYPES[type]), field(2, joined(...shape))))));
}

export interface Parts {
  readonly opset?: number;
  readonly nodes: readonly Bytes[];
  readonly inputs: readonly Bytes[];
  readonly outputs: readonly Bytes[];
  readonly weights?: readonly Bytes[];
}

export function model({ opset = 17, nodes, inputs, outputs, weights = [] }: Parts): Bytes {
  const graph = joined(
    ...nodes.map((bytes) => field(1, bytes)),
    field(2, "g"),
    ...weights.map((bytes) => field(5, bytes)),
    ...inputs.map((bytes) => field(11, bytes)),
    ...outputs.map((bytes) => field(12, bytes)),
  );
  const domains = [joined(field(1, ""), field(2, opset)), joined(field(1, "com.microsoft"), field(2, 1))];
  return joined(field(1, 8), field(7, graph), ...domains.map((bytes) => field(8, bytes)));
}
