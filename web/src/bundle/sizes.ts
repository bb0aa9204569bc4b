import { IntegrityError } from "../errors.js";

/** Throws IntegrityError where a file has more than `limit` bytes. */
export function checkSize(name: string, size: number, limit: number): void {
  if (size > limit) throw new IntegrityError(`${name} has ${size} bytes or more, ${limit} were expected at most`);
}
