// A disk that keeps its promises and no others: what was synced survives a crash; what was written and
// not synced is lost or torn, as chance will have it.

import type { SimRandom } from './sim-random.ts';

export interface SimFile {
  content: string;
  synced: boolean;
  /** It was whole and durable, and a fault has changed it since. */
  rotten?: boolean;
}

export const TORN = 'TORN';

export class SimDisk {
  /** By name; a segment's is `<uid> <segmentId>`. */
  readonly files = new Map<string, SimFile>();

  write(name: string, content: string): void {
    this.files.set(name, { content, synced: false });
  }

  sync(name: string): void {
    const file = this.files.get(name);
    if (file !== undefined) file.synced = true;
  }

  /** The power goes: nothing of what was synced, and chance for the rest. */
  crash(random: SimRandom): void {
    for (const [name, file] of this.files) {
      if (file.synced) continue;
      if (random.chance(0.5)) this.files.delete(name);
      else this.files.set(name, { content: TORN, synced: true });
    }
  }
}
