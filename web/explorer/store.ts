/** The one place where the page's state lives. */

import type { State } from "./state.js";

type Listener = (state: State, changed: ReadonlySet<keyof State>) => void;

/** Holds the state and tells who listens what has changed. */
export class Store {
  private readonly listeners: Listener[] = [];

  constructor(private current: State) {}

  get state(): State {
    return this.current;
  }

  /** Calls `listener` after each change, in the order of the calls to `listen`. */
  listen(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Changes some fields. */
  set(patch: Partial<State>): void {
    const names = Object.keys(patch) as (keyof State)[];
    const changed = new Set(names.filter((name) => patch[name] !== this.current[name]));
    if (!changed.size) return;
    this.current = { ...this.current, ...patch };
    for (const listener of this.listeners) listener(this.current, changed);
  }
}
