/**
 * Runs a generator of steps to its end, in one go; returns its result. `afterStep` is called after
 * each step but the last, and may throw to end it early.
 */
export function runSteps<Result>(
  steps: Generator<unknown, Result, void>,
  afterStep?: () => void,
): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    afterStep?.();
  }
}
