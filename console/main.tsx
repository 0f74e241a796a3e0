// Starts the console: the page at / of every master and query node.

import { render } from 'preact';
import { Shell } from './pages/shell.tsx';
import { followPlace } from './state/place.ts';
import { collectSamples } from './state/samples.ts';
import { startSession } from './state/session.ts';
import { followTheme } from './state/theme.ts';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';

followTheme();
followPlace();
collectSamples();
startSession();

const app = document.getElementById('app');
if (app !== null) render(<Shell />, app);
