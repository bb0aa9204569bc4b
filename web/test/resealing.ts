import { createHash } from "node:crypto";

/** Python's way to write a manifest: sorted keys, two spaces, and numbers as the raw JSON that is given. */
export class Raw {
  constructor(readonly text: string) {}
}

/** A tree of JSON in which a number keeps its text ("1.0" and "1" differ). */
export function parseRaw(text: string): any {
  return revive(JSON.parse(text.replace(/([:[,]\s*)(-?\d[\d.eE+-]*)/g, '$1{"$raw": "$2"}')));
}

function revive(value: any): any {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null) return value;
  if ("$raw" in value) return new Raw(value.$raw);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}

function render(value: any, indent: string): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) {
    const items = value.map((item) => `${indent}  ${render(item, `${indent}  `)}`);
    return items.length > 0 ? `[\n${items.join(",\n")}\n${indent}]` : "[]";
  }
  if (typeof value === "object" && value !== null) {
    const items = Object.keys(value)
      .sort()
      .map((key) => `${indent}  ${JSON.stringify(key)}: ${render(value[key], `${indent}  `)}`);
    return items.length > 0 ? `{\n${items.join(",\n")}\n${indent}}` : "{}";
  }
  return JSON.stringify(value);
}

/** The bytes of a manifest with the digest that belongs to them. */
export function seal(tree: any): Uint8Array {
  const text = `${render({ ...tree, digest: "0".repeat(64) }, "")}\n`;
  return sealText(text);
}

/** The same for text that has a digest's line. */
export function sealText(text: string): Uint8Array {
  const [before, after] = text.split(/(?<=\n {2}"digest": ")[0-9a-f]{64}(?=")/) as [string, string];
  const digest = createHash("sha256")
    .update(before + after)
    .digest("hex");
  return new TextEncoder().encode(before + digest + after);
}

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
