// An immutable map for frequent replacement of single entries. Pure.
//
// Each heartbeat replaces one node's entry, two thousand times a second in a cluster of a thousand
// nodes. Copying a map for that would cost more than everything else a heartbeat does. Here it
// costs one chunk of values and the list of chunks. Keys and their places are shared until a key is
// added.
//
//   keys    a b c d e f g ...            places  a -> 0, b -> 1 ...
//   chunks  [a' b' .. ] [ .. ] [ .. ]    replacing an entry replaces one chunk
//
// Invariant: the order is that in which the keys were added.

const CHUNK_BITS = 5;
const CHUNK_SIZE = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SIZE - 1;

/** Returns `map` with another value for an existing key, or with a new key at its end. */
export function withEntry<Value>(
  map: ReadonlyMap<string, Value>,
  key: string,
  value: Value,
): ReadonlyMap<string, Value> {
  if (!map.has(key)) return new Map(map).set(key, value);
  const chunked = map instanceof ChunkedMap ? (map as ChunkedMap<Value>) : chunkedFrom(map);
  return chunked.with(key, value);
}

function chunkedFrom<Value>(map: ReadonlyMap<string, Value>): ChunkedMap<Value> {
  const values = [...map.values()];
  const chunks: Value[][] = [];
  for (let at = 0; at < values.length; at += CHUNK_SIZE) {
    chunks.push(values.slice(at, at + CHUNK_SIZE));
  }
  return new ChunkedMap(new Map([...map.keys()].map((key, place) => [key, place])), chunks);
}

class ChunkedMap<Value> implements ReadonlyMap<string, Value> {
  readonly #places: ReadonlyMap<string, number>;
  readonly #chunks: readonly (readonly Value[])[];
  /** All values, built on first use: a turn iterates over them many times. */
  #values: readonly Value[] | undefined;

  constructor(places: ReadonlyMap<string, number>, chunks: readonly (readonly Value[])[]) {
    this.#places = places;
    this.#chunks = chunks;
  }

  /** `key` must exist. */
  with(key: string, value: Value): ChunkedMap<Value> {
    const place = this.#places.get(key) ?? 0;
    const chunks = this.#chunks.slice();
    const chunk = (chunks[place >>> CHUNK_BITS] ?? []).slice();
    chunk[place & CHUNK_MASK] = value;
    chunks[place >>> CHUNK_BITS] = chunk;
    return new ChunkedMap(this.#places, chunks);
  }

  get size(): number {
    return this.#places.size;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  get(key: string): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined
      ? undefined
      : this.#chunks[place >>> CHUNK_BITS]?.[place & CHUNK_MASK];
  }

  *entries(): MapIterator<[string, Value]> {
    const values = this.values();
    for (const key of this.#places.keys()) {
      const next = values.next();
      if (next.done !== true) yield [key, next.value];
    }
  }

  keys(): MapIterator<string> {
    return this.#places.keys();
  }

  values(): MapIterator<Value> {
    this.#values ??= this.#chunks.flat(1);
    return this.#values.values();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }
}
