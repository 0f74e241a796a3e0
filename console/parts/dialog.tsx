// The confirmation of a change: what it will do, and a way out.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Refusal } from './small.tsx';
import { carryOut, proposed } from '../state/changes.ts';
import type { Change } from '../state/changes.ts';

/** Shows the proposed change, if there is one. */
export function ChangeDialog() {
  const change = proposed.value;
  return change === undefined ? null : <Confirmation key={change} change={change} />;
}

function Confirmation({ change }: { readonly change: Change }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState('');
  const [isOptionOn, setOption] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const close = (): void => void (proposed.value = undefined);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy || (change.typed !== undefined && typed !== change.typed)) return;
    setBusy(true);
    setRefusal('');
    try {
      await carryOut(change, isOptionOn);
      close();
    } catch (thrown) {
      setRefusal((thrown as Error).message);
      setBusy(false);
    }
  };
  const isReady = change.typed === undefined || typed === change.typed;
  return (
    <dialog ref={dialog} aria-labelledby="change-title" onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="change-title">{change.title}</h2>
        {change.consequences.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        {change.option !== undefined && (
          <label class="check">
            <input
              type="checkbox"
              checked={isOptionOn}
              onChange={(event) => setOption(event.currentTarget.checked)}
            />
            {change.option}
          </label>
        )}
        {change.typed !== undefined && (
          <label>
            Type <code>{change.typed}</code> to go on
            <input
              autocomplete="off"
              spellcheck={false}
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
        )}
        <Refusal text={refusal} />
        <div class="actions">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class={change.isDangerous === true ? 'danger' : 'primary'}
            disabled={!isReady || isBusy}
          >
            {isBusy ? 'In progress ...' : change.action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
