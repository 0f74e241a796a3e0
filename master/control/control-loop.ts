// The loop of the control plane: one immutable state (core/control-state.ts), changed by events and
// evaluated by turns. The parts that carry orders out, or receive reports of datanodes, hold this
// object: they read `state` and report events with `dispatch`.
//
// An event only updates the known state. A turn then evaluates all of it, so that a burst of events
// costs one computation, and passes its orders to `carryOut`.
//
// Invariants: only `dispatch` and `turn` replace the state; a published view has a higher revision
// than all before it in this epoch; a turn never waits and never throws.

import type { BackgroundTasks } from '../../base/background.ts';
import { wallClockIsoIn } from '../../base/clock.ts';
import type { Env } from '../../base/env.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import { runAsMaster } from '../callers/actor.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { clusterOf, epochOf, termOf } from '../catalog/queries.ts';
import { applyEvent } from '../core/control-events.ts';
import type { ControlEvent } from '../core/control-events.ts';
import { beginControl } from '../core/control-state.ts';
import type { ControlSettings, ControlState } from '../core/control-state.ts';
import { takeTurn } from '../core/control.ts';
import type { ControlOrders } from '../core/control.ts';
import type { ConnectionManager } from './nodes/connection-manager.ts';

export interface ControlLoopOptions {
  readonly catalog: Catalog;
  readonly settings: ControlSettings;
  readonly background: BackgroundTasks;
  readonly env: Env;
  /** Called with each event after the state has been updated. */
  readonly onEvent: (event: ControlEvent) => void;
  /**
   * Called with the result of each turn. While this master does not lead, only its view may be
   * used.
   */
  readonly carryOut: (orders: ControlOrders) => void;
  /** Whether this master may give orders now. Absent: always, as it is the only one. */
  readonly mayOrder?: (() => boolean) | undefined;
}

/** What all parts that carry orders out need. */
export interface ControlParts {
  readonly control: ControlLoop;
  readonly connections: ConnectionManager;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class ControlLoop {
  readonly catalog: Catalog;
  readonly env: Env;
  readonly #options: ControlLoopOptions;
  #state: ControlState;
  #turnPlanned = false;
  #closed = false;

  constructor(options: ControlLoopOptions) {
    const { catalog, env, settings } = options;
    this.#options = options;
    this.catalog = catalog;
    this.env = env;
    this.#state = beginControl(catalog.state, settings, env.nowMs());
  }

  get state(): ControlState {
    return this.#state;
  }

  /**
   * False until the epoch of this start is saved, and after its leadership has ended: reads are
   * served, and no orders are given.
   */
  get isLeading(): boolean {
    return this.catalog.isBegun && this.#options.mayOrder?.() !== false;
  }

  nowMs(): number {
    return this.env.nowMs();
  }

  /**
   * The header of an order to the node's present incarnation; `incarnation` is empty if none has
   * answered yet. Made for each order immediately before it is sent. Throws UNAVAILABLE if this
   * master's leadership has ended, even if nothing else has noticed: the process may have slept.
   */
  header(nodeId: string): OrderHeader {
    const { state } = this.catalog;
    if (this.#options.mayOrder?.() === false) {
      throw new SteleError('UNAVAILABLE', 'The leader was replaced; the next one goes on.');
    }
    return {
      epoch: epochOf(state),
      term: termOf(state),
      nodeId,
      incarnation: this.#state.nodes.get(nodeId)?.incarnation ?? '',
      clusterId: clusterOf(state).id,
    };
  }

  /** Applies an event. Schedules a turn if the event may change the orders. */
  dispatch(event: ControlEvent): void {
    const before = this.#state;
    this.#state = applyEvent(before, event, this.nowMs(), this.#options.settings);
    if (this.#state.changeCounter !== before.changeCounter) this.#planTurn();
    this.#options.onEvent(event);
  }

  /**
   * Evaluates the state and orders what is missing. A failed turn changes nothing; the next one
   * tries again.
   */
  turn(): void {
    if (this.#closed) return;
    // Any request may cause a turn, and is not who orders what the turn comes to.
    this.#options.background.guard('control turn', () => runAsMaster(() => this.#turn()));
  }

  close(): void {
    this.#closed = true;
  }

  #turn(): void {
    const { background, carryOut, settings } = this.#options;
    if (this.catalog.state !== this.#state.catalog) {
      this.dispatch({ kind: 'catalog', catalog: this.catalog.state });
    }
    const { inFlight, merges, changeCounter } = this.#state;
    const isoIn = (aheadMs: number): string => wallClockIsoIn(aheadMs, this.env);
    const { orders, state } = takeTurn(this.#state, this.nowMs(), settings, isoIn);
    // What has not been ordered must not be recorded as in progress.
    this.#state = this.isLeading ? state : { ...state, inFlight, merges };
    if (state.changeCounter !== changeCounter) this.#planTurn();
    for (const { part, thrown } of orders.faults) background.fault(part, thrown);
    carryOut(orders);
  }

  /** Schedules one turn for all events of this event-loop tick. */
  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    this.env.soon(() => {
      this.#turnPlanned = false;
      this.turn();
    });
  }
}
