// The memory that clients make this process hold, over all its ports: unread replies and requests
// that have not arrived completely. A port reserves what it holds and releases it later. While the
// budget is full, ports refuse large requests (OVERLOADED) and hold less for each client.

const MiB = 1024 * 1024;

export class ByteBudget {
  limitBytes: number;
  usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get isFull(): boolean {
    return this.usedBytes >= this.limitBytes;
  }

  /** Reserves `byteCount`, even beyond the limit. The returned function releases them, once. */
  reserve(byteCount: number): () => void {
    this.usedBytes += byteCount;
    let isReserved = true;
    return () => {
      if (isReserved) this.usedBytes -= byteCount;
      isReserved = false;
    };
  }
}

/** The budget of this process. */
export const clientBytes = new ByteBudget(512 * MiB);
