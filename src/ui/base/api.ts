// Every request of the page: JSON both ways, the CSRF token, and errors a person can read (docs/API.md, Conventions).

import { localized, t } from './text';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly remedy = '',
    readonly field?: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** A box that does not answer within this is as good as unreachable for the person who waits. */
const ANSWER_WITHIN_MS = 30_000;

/** The box's address of a path: beside the page, wherever a proxy has put it. */
export function here(path: string): string {
  return new URL(path.replace(/^\//, ''), document.baseURI).href;
}

let csrf = '';
/** Counts the pages that were shown. */
let page = 0;
let signedOut = (): void => undefined;

export const api = {
  get: <T>(path: string): Promise<T> => send<T>('GET', path),
  post: <T = void>(path: string, body: unknown): Promise<T> => send<T>('POST', path, body),
  put: <T = void>(path: string, body: unknown): Promise<T> => send<T>('PUT', path, body),
  del: (path: string, body?: unknown): Promise<void> => send<void>('DELETE', path, body),
  /** A file that the box makes. */
  file: async (path: string, body: unknown): Promise<Blob> => {
    const hear = listener();
    return hear((await accepted('POST', path, body, hear)).blob());
  },
  /** Another page is shown now: whatever the one before asked is answered to nobody. */
  newPage(): void {
    page += 1;
  },
  /** Called when the box says that nobody is signed in any more. */
  whenSignedOut(then: () => void): void {
    signedOut = then;
  },
  onSignedOut(): void {
    signedOut();
  },
};

type Hear = <T>(answer: Promise<T>) => Promise<T>;

/** Hears what comes while the page that asks is shown. What comes later is never heard: nobody is there to be told, signed out, or asked. */
function listener(): Hear {
  const asker = page;
  return (answer) =>
    new Promise((resolve, reject) => {
      answer.then(
        (value) => (asker === page ? resolve(value) : readOut(value)),
        (why: unknown) => asker === page && reject(why),
      );
    });
}

/** An answer that is not read to its end keeps its connection. */
function readOut(value: unknown): void {
  if (value instanceof Response) value.text().catch(() => undefined);
}

async function send<T>(method: string, path: string, body?: unknown, hear = listener()): Promise<T> {
  const answer = await accepted(method, path, body, hear);
  const value = await readJson(answer, hear);
  if (typeof value['csrf'] === 'string') csrf = value['csrf'];
  return (answer.status === 204 ? undefined : value) as T;
}

/** An answer that is no refusal. What changes security wants a token of its own, good for one sending. */
async function accepted(method: string, path: string, body: unknown, hear: Hear): Promise<Response> {
  const first = await hear(reach(method, path, body));
  if (first.ok) return first;
  const error = refused(first, await readJson(first, hear));
  if (error.code !== 'form_needed') throw error;
  const { form } = await send<{ form: string }>('POST', '/api/form', {}, hear);
  const second = await hear(reach(method, path, body, form));
  if (second.ok) return second;
  throw refused(second, await readJson(second, hear));
}

async function reach(method: string, path: string, body: unknown, form = ''): Promise<Response> {
  const headers = new Headers({ Accept: 'application/json' });
  if (form !== '') headers.set('X-Footbridge-Form', form);
  if (method !== 'GET' && csrf !== '') headers.set('X-Footbridge-Csrf', csrf);
  const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store', redirect: 'error', keepalive: path === '/api/preferences', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) };
  if (body !== undefined) {
    headers.set('Content-Type', 'application/json');
    init.body = JSON.stringify(body);
  }
  try {
    return await fetch(here(path), init);
  } catch {
    throw new ApiError(0, 'unreachable', t('base.unreachable'), t('base.unreachable.remedy'));
  }
}

/** What is not JSON did not come from the box's own handlers: a proxy between, or a connection that broke. */
async function readJson(answer: Response, hear: Hear): Promise<Record<string, unknown>> {
  // Done, or begun: there is nothing to say.
  if (answer.status === 204 || (answer.status === 202 && !answer.headers.has('Content-Type'))) return {};
  try {
    return (await hear(answer.json())) as Record<string, unknown>;
  } catch {
    throw new ApiError(answer.status, 'unreachable', t('base.unreachable'), t('base.unreachable.remedy'));
  }
}

function refused(answer: Response, value: Record<string, unknown>): ApiError {
  const text = (key: string): string => (typeof value[key] === 'string' ? value[key] : '');
  const wait = Number(answer.headers.get('Retry-After') ?? Number.NaN);
  const error = new ApiError(answer.status, text('error'), localized(text('message')), localized(text('remedy')), text('field') || undefined, Number.isFinite(wait) ? wait : undefined);
  if (error.code === 'not_signed_in') api.onSignedOut();
  return error;
}
