// An immutable map of which one entry at a time is replaced, again and again. Pure.
//
// Each heartbeat replaces one node's entry. To copy a map of a thousand nodes for it, two thousand
// times a second, would cost more than all that heartbeats are for; so what was replaced lately lies
// on top of a map that is shared, until there is enough of it to make a new one.
//
// Invariants: every key of the patch is one of the base; the order is that of the base.

const PATCH_SIZE_MAX = 32;

/** `map` with another value of a key that it has, or with a key more, at its end. */
export function withEntry<Value>(
  map: ReadonlyMap<string, Value>,
  key: string,
  value: Value,
): ReadonlyMap<string, Value> {
  const { base, patch } =
    map instanceof PatchedMap
      ? (map as PatchedMap<Value>)
      : { base: map, patch: new Map<string, Value>() };
  if (!base.has(key) || patch.size >= PATCH_SIZE_MAX) return new Map(map).set(key, value);
  return new PatchedMap(base, new Map(patch).set(key, value));
}

/** The same entries as one plain map, which is quicker to go through. */
export function flattened<Value>(map: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  return map instanceof PatchedMap ? new Map(map as PatchedMap<Value>) : map;
}

class PatchedMap<Value> implements ReadonlyMap<string, Value> {
  readonly base: ReadonlyMap<string, Value>;
  readonly patch: ReadonlyMap<string, Value>;

  constructor(base: ReadonlyMap<string, Value>, patch: ReadonlyMap<string, Value>) {
    this.base = base;
    this.patch = patch;
  }

  get size(): number {
    return this.base.size;
  }

  has(key: string): boolean {
    return this.base.has(key);
  }

  get(key: string): Value | undefined {
    return this.patch.get(key) ?? this.base.get(key);
  }

  *entries(): MapIterator<[string, Value]> {
    for (const [key, value] of this.base) yield [key, this.patch.get(key) ?? value];
  }

  keys(): MapIterator<string> {
    return this.base.keys();
  }

  *values(): MapIterator<Value> {
    for (const [key, value] of this.base) yield this.patch.get(key) ?? value;
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }
}
