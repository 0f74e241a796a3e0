// What happened, when, and by whom.

import { useEffect, useState } from 'preact/hooks';
import type { ClusterEvent } from '../api/shapes.ts';
import { timestamp } from '../format/times.ts';
import { Nothing, PageTitle, Refusal, Scroll } from '../parts/small.tsx';
import { feed, followEvents } from '../state/event-feed.ts';
import { may } from '../state/session.ts';

export function EventsPage() {
  return (
    <>
      <PageTitle text="Events" />
      {may('operate') ? (
        <EventList />
      ) : (
        <p class="hint">
          Events name all keyspaces and users: to read them needs the right operate on everything.
        </p>
      )}
    </>
  );
}

function EventList() {
  useEffect(followEvents, []);
  const [wanted, setWanted] = useState('');
  const { events, problem } = feed.value;
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = events?.filter((event) => {
    const text = JSON.stringify(Object.values(event)).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return (
    <>
      <label class="filter">
        Only events with
        <input
          type="search"
          placeholder="a keyspace, a node, a user ..."
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
      </label>
      <Refusal text={problem?.message} />
      {shown === undefined || shown.length === 0 ? (
        <Nothing isKnown={shown !== undefined} text="Nothing of that kind has happened." />
      ) : (
        <Scroll label="Events">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">What</th>
                <th scope="col">Of</th>
                <th scope="col">From, to</th>
                <th scope="col">By</th>
                <th scope="col">Why</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((event) => (
                <Row key={event.number} event={event} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}

function Row({ event }: { readonly event: ClusterEvent }) {
  const { address, at, door, from, keyspace, load, node, reason, to, what, who } = event;
  const subject = [keyspace, node, load === null ? null : `load ${load}`].filter(
    (one) => one !== null,
  );
  const by = who ?? (door === 'master' ? 'the master itself' : 'somebody');
  return (
    <tr>
      <td>
        <time dateTime={at}>{timestamp(at)}</time>
      </td>
      <th scope="row">{what}</th>
      <td>{subject.length === 0 ? '–' : subject.join(', ')}</td>
      <td>{from === null && to === null ? '–' : `${from ?? '–'} → ${to ?? '–'}`}</td>
      <td>
        {by}
        {address !== null && <small>{`${address} by ${door}`}</small>}
      </td>
      <td class="text">{reason ?? '–'}</td>
    </tr>
  );
}
