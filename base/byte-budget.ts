// What the clients of this process make it hold, over all of its ports: replies that they have not taken, and
// requests that have not arrived whole. A port takes from the budget what it holds and gives it back when it is
// gone; while the budget is full, ports refuse what would be large (OVERLOADED), and hold less for each client.

const MiB = 1024 * 1024;

export class ByteBudget {
  readonly limitBytes: number;
  usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get isFull(): boolean {
    return this.usedBytes >= this.limitBytes;
  }

  /** Takes `byteCount`, full or not; the returned function gives them back, once. */
  take(byteCount: number): () => void {
    this.usedBytes += byteCount;
    let isTaken = true;
    return () => {
      if (isTaken) this.usedBytes -= byteCount;
      isTaken = false;
    };
  }
}

/** The one of this process. */
export const clientBytes = new ByteBudget(512 * MiB);
