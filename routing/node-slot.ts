// What a reader knows of one datanode beside the view: how much it has been asked, how well it answers.
//
// A node that fails or is overdue is avoided: asked only where nobody else can be, for 300 ms, then tried
// again; each time that it fails again at once it is avoided twice as long, up to about 10 s. One that
// answers, but much slower than another replica, is passed over in favour of that one; it is tried
// with a few keys each second, and stays good for a hedge.
//
// Hot: the functions here are called for each batch, `isSlower` for each key. No allocation.

/** Lives as long as the node is in the view. */
export interface NodeSlot {
  readonly id: string;
  /** Keys given to it and not answered, those included that wait for the end of the turn. */
  inFlight: number;
  /** Until then it is asked only if nobody else can be. */
  avoidUntilMs: number;
  /** Failures in a row, each after it was no longer avoided. */
  troubles: number;
  /** The view says that it missed a heartbeat; as good as avoided. */
  suspect: boolean;
  /** It is in the reader's zone: asked before the others. */
  isNear: boolean;
  /** Of its recent answers, moving with each one. */
  latencyMs: number;
  /** When it last answered, or was last tried although it is slow. */
  sampledAtMs: number;
}

/** A node that failed is asked last for this long. */
const AVOID_MS = 300;
const AVOID_DOUBLINGS_MAX = 5;
/** So many times another one's latency, and this much more, is slow. */
const SLOW_FACTOR = 4;
const SLOW_MS = 3;
const SLOW_TRIED_EVERY_MS = 1000;
/** Slowness is believed after some answers, its end sooner. */
const RISING_WEIGHT = 0.2;
const FALLING_WEIGHT = 0.5;

export function newSlot(id: string): NodeSlot {
  return {
    id,
    inFlight: 0,
    avoidUntilMs: 0,
    troubles: 0,
    suspect: false,
    isNear: false,
    latencyMs: 0,
    sampledAtMs: 0,
  };
}

/** It failed, or did not answer in time. Calls that fail together count once. */
export function noteTrouble(slot: NodeSlot, nowMs: number): void {
  if (nowMs >= slot.avoidUntilMs) slot.troubles++;
  const doublings = Math.min(AVOID_DOUBLINGS_MAX, Math.max(0, slot.troubles - 1));
  slot.avoidUntilMs = Math.max(slot.avoidUntilMs, nowMs + AVOID_MS * 2 ** doublings);
}

/** It answered after this long; `inTime`: before anybody gave it up. */
export function noteAnswer(
  slot: NodeSlot,
  latencyMs: number,
  inTime: boolean,
  nowMs: number,
): void {
  const weight = latencyMs > slot.latencyMs ? RISING_WEIGHT : FALLING_WEIGHT;
  slot.latencyMs += weight * (latencyMs - slot.latencyMs);
  slot.sampledAtMs = nowMs;
  if (!inTime) return;
  slot.troubles = 0;
  slot.avoidUntilMs = 0;
}

/** The control plane has heard it again: what was held against it is over. */
export function noteReturn(slot: NodeSlot): void {
  slot.troubles = 0;
  slot.avoidUntilMs = 0;
}

/**
 * Whether `other` should be asked instead. False once in a while for a slow one too, so that its
 * recovery is noticed; that counts as its turn.
 */
export function isSlower(slot: NodeSlot, other: NodeSlot, nowMs: number): boolean {
  if (slot.latencyMs <= SLOW_FACTOR * other.latencyMs + SLOW_MS) return false;
  if (nowMs - slot.sampledAtMs < SLOW_TRIED_EVERY_MS) return true;
  slot.sampledAtMs = nowMs;
  return false;
}
