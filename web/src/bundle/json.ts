/**
 * JSON as a manifest may hold it, read so that nothing is lost: an integer becomes a bigint and a number with a point
 * or an exponent a number, and a key that stands twice in one object is an error. JSON.parse tells neither.
 */

export type Json = null | boolean | number | bigint | string | Json[] | Map<string, Json>;

const DEEPEST = 100;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /true|false|null/y;

/** The tree in `source`; throws SyntaxError that says where it ends to be JSON. */
export function parseJson(source: string): Json {
  let at = 0;

  function take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) at += match[0].length;
    return match;
  }

  function is(mark: string): boolean {
    take(SPACE);
    if (source[at] !== mark) return false;
    at++;
    return true;
  }

  function expect(holds: unknown, what: string): asserts holds {
    if (!holds) throw new SyntaxError(`${what} was expected at character ${at}`);
  }

  function value(depth: number): Json {
    expect(depth < DEEPEST, `at most ${DEEPEST} objects and lists in one another`);
    if (is("{")) return object(depth);
    if (is("[")) return list(depth);
    const string = take(STRING);
    if (string !== null) return JSON.parse(string[0]) as string;
    const number = take(NUMBER);
    if (number !== null) return (number[1] ?? number[2]) ? Number(number[0]) : integer(number[0]);
    const word = take(WORD);
    expect(word, "a value");
    return word[0] === "null" ? null : word[0] === "true";
  }

  function integer(digits: string): bigint {
    expect(digits.length <= 400, "an integer of at most 400 digits");
    return BigInt(digits);
  }

  function object(depth: number): Map<string, Json> {
    const found = new Map<string, Json>();
    if (is("}")) return found;
    do {
      take(SPACE);
      const match = take(STRING);
      expect(match, "a key");
      const key = JSON.parse(match[0]) as string;
      expect(!found.has(key), `a key that stands once in its object, not ${match[0].slice(0, 60)},`);
      expect(is(":"), "a colon");
      found.set(key, value(depth + 1));
    } while (is(","));
    expect(is("}"), "a comma or }");
    return found;
  }

  function list(depth: number): Json[] {
    const found: Json[] = [];
    if (is("]")) return found;
    do found.push(value(depth + 1));
    while (is(","));
    expect(is("]"), "a comma or ]");
    return found;
  }

  const tree = value(0);
  take(SPACE);
  expect(at === source.length, "the end");
  return tree;
}
