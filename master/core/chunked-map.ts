// An immutable map of which one entry at a time is replaced, again and again. Pure.
//
// Each heartbeat replaces one node's entry, two thousand times a second in a cluster of a thousand. To
// copy a map for it would cost more than all that heartbeats are for; here it costs one chunk of
// values and the list of chunks. Keys and their places are shared for as long as there are no others.
//
//   keys    a b c d e f g ...            places  a -> 0, b -> 1 ...
//   chunks  [a' b' .. ] [ .. ] [ .. ]    one of them is another one after an entry is replaced
//
// Invariant: the order is that in which the keys came.

const CHUNK_BITS = 5;
const CHUNK_SIZE = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SIZE - 1;

/** `map` with another value of a key that it has, or with a key more, at its end. */
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
  /** All of them, once they are asked for: a turn goes through them many times. */
  #values: readonly Value[] | undefined;

  constructor(places: ReadonlyMap<string, number>, chunks: readonly (readonly Value[])[]) {
    this.#places = places;
    this.#chunks = chunks;
  }

  /** `key` is one that is there. */
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
