// The frame of all pages: navigation, who is logged in, and the page itself.

import { ChangeDialog } from '../parts/dialog.tsx';
import { Connection, Notices } from '../parts/notices.tsx';
import { State } from '../parts/small.tsx';
import { health, stats } from '../state/answers.ts';
import { hrefOf, place } from '../state/place.ts';
import { usePolled } from '../state/polled.ts';
import { logOut, sessionState } from '../state/session.ts';
import { nextTheme, theme } from '../state/theme.ts';
import { EventsPage } from './events-page.tsx';
import { HotKeysPage } from './hot-keys-page.tsx';
import { KeyPage } from './key-page.tsx';
import { KeyspacePage } from './keyspace-page.tsx';
import { KeyspacesPage } from './keyspaces-page.tsx';
import { LoadsPage } from './loads-page.tsx';
import { LoginPage } from './login-page.tsx';
import { NodesPage } from './nodes-page.tsx';
import { OverviewPage } from './overview-page.tsx';
import { RingPage } from './ring-page.tsx';

const PAGES = [
  ['overview', 'Overview'],
  ['ring', 'Ring'],
  ['keyspaces', 'Keyspaces'],
  ['loads', 'Loads'],
  ['key', 'Key'],
  ['hot-keys', 'Hot keys'],
  ['nodes', 'Nodes'],
  ['events', 'Events'],
] as const;

const POLL_MS = 1000;

/** The console. */
export function Shell() {
  const state = sessionState.value;
  if (state.is === 'out') return <LoginPage refusal={state.refusal ?? ''} />;
  if (state.is === 'starting') {
    return (
      <main class="centre">
        <h1>Stele</h1>
        <p role="status">{state.problem?.message ?? 'Loading ...'}</p>
      </main>
    );
  }
  return <Frame user={state.session.user} canLogOut={state.session.auth} />;
}

function Frame({ user, canLogOut }: { readonly user: string | null; readonly canLogOut: boolean }) {
  const status = usePolled(health, POLL_MS)?.status;
  usePolled(stats, POLL_MS);
  return (
    <>
      <header>
        <a
          class="skip"
          href={location.hash}
          onClick={(event) => {
            event.preventDefault();
            document.querySelector('h1')?.focus();
          }}
        >
          Skip to the content
        </a>
        <span class="brand">Stele</span>
        {status !== undefined && <State word={status} />}
        <nav aria-label="Pages">
          {PAGES.map(([name, title]) => (
            <a
              key={name}
              href={hrefOf(name)}
              aria-current={place.value.page === name ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <span class="who">
          <button
            type="button"
            class="quiet"
            onClick={() => (theme.value = nextTheme(theme.value))}
          >
            Theme: {theme.value}
          </button>
          {canLogOut && (
            <button type="button" class="quiet" onClick={logOut}>
              Log out{user === null ? '' : ` ${user}`}
            </button>
          )}
        </span>
      </header>
      <main>
        <Connection />
        <Page />
      </main>
      <Notices />
      <ChangeDialog />
    </>
  );
}

function Page() {
  const { page, subject } = place.value;
  switch (page) {
    case 'ring':
      return <RingPage />;
    case 'keyspaces':
      return subject === '' ? <KeyspacesPage /> : <KeyspacePage key={subject} name={subject} />;
    case 'loads':
      return <LoadsPage />;
    case 'key':
      return <KeyPage key={subject} keyspace={subject} />;
    case 'hot-keys':
      return <HotKeysPage keyspace={subject} />;
    case 'nodes':
      return <NodesPage />;
    case 'events':
      return <EventsPage />;
    default:
      return <OverviewPage />;
  }
}
