// Where the dispatcher leaves what it has read, for the next one who asks: the master's cache.

export interface ValueStore {
  /**
   * Keeps a copy of the value that the datanode `nodeId` gave for `key`, if it is worth it. Only for
   * datasets that may be cached.
   */
  put(dataset: number, key: Uint8Array, value: Uint8Array, nodeId: string): void;
}
