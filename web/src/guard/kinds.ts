/** The data type of each tensor, by ONNX's numbers: how many bytes an element takes, and whether it is an integer. */

import { int, type Info, type Node, refuse, whole } from "./terms.js";

export const FLOAT = 1;
export const UINT8 = 2;
export const INT8 = 3;
export const INT32 = 6;
export const INT64 = 7;
export const BOOL = 9;
export const FLOAT16 = 10;
export const DOUBLE = 11;

/** Bytes an element of each data type. No strings. */
export const ITEM_BYTES: ReadonlyMap<number, number> = new Map([
  [FLOAT, 4], [UINT8, 1], [INT8, 1], [INT32, 4], [INT64, 8], [BOOL, 1], [FLOAT16, 2], [DOUBLE, 8],
]);

/** Of twice the bytes of a float. */
export const isWide = (type: number): boolean => type === INT64 || type === DOUBLE;
export const isReal = (type: number): boolean => type === FLOAT || type === FLOAT16 || type === DOUBLE;

const ALWAYS = new Map<string, readonly number[]>([
  ..."And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor".split(" ").map(
    (operator): [string, number[]] => [operator, [BOOL]],
  ),
  ..."ArgMax ArgMin Shape Size".split(" ").map((operator): [string, number[]] => [operator, [INT64]]),
  ..."ConvInteger MatMulInteger".split(" ").map((operator): [string, number[]] => [operator, [INT32]]),
  ["DynamicQuantizeLinear", [UINT8, FLOAT, UINT8]],
]);
const AS_INPUT: Record<string, number> = {
  DequantizeLinear: 1, OneHot: 2, QLinearConv: 7, QLinearMatMul: 7, QuantizeLinear: 2, Where: 1,
};

/** The data types of a node's outputs, given those of its inputs; 0 where it is not known. */
export function typesOf(node: Node, types: readonly number[]): readonly number[] {
  const { operator } = node;
  const always = ALWAYS.get(operator);
  if (always) return always;
  if (operator === "Cast") return [int(node, "to", 0)];
  if (operator === "Constant" || operator === "ConstantOfShape") {
    return [node.tensors.get("value")?.type ?? (node.ints.size ? INT64 : FLOAT)];
  }
  const type = types[AS_INPUT[operator] ?? 0] ?? 0;
  return operator === "MaxPool" ? [type, INT64] : node.outputs.map(() => type);
}

/** Refuses integers that may be divided by 0, or the least by -1: ONNX Runtime would end. */
export function checkDivision(inputs: readonly (Info | undefined)[], type: number): void {
  if (isReal(type)) return;
  const divisor = inputs.length === 2 ? inputs[1]?.numbers : undefined;
  if (!divisor || !whole(divisor) || divisor.some((size) => size.n < 1)) refuse("divides integers by what may be 0");
}
