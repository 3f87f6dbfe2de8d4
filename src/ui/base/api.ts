// Every request of the page: JSON both ways, the CSRF token, and errors a person can read (docs/API.md, Conventions).

import { t } from './text';

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

let csrf = '';
let signedOut = (): void => undefined;

export const api = {
  get: <T>(path: string): Promise<T> => send<T>('GET', path),
  post: <T = void>(path: string, body: unknown): Promise<T> => send<T>('POST', path, body),
  put: <T = void>(path: string, body: unknown): Promise<T> => send<T>('PUT', path, body),
  del: (path: string): Promise<void> => send<void>('DELETE', path),
  /** Called when the box says that nobody is signed in any more. */
  whenSignedOut(then: () => void): void {
    signedOut = then;
  },
  onSignedOut(): void {
    signedOut();
  },
};

async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await reach(method, path, body);
  const value = await readJson(answer);
  if (!answer.ok) throw refused(answer, value);
  if (typeof value['csrf'] === 'string') csrf = value['csrf'];
  return (answer.status === 204 ? undefined : value) as T;
}

async function reach(method: string, path: string, body: unknown): Promise<Response> {
  const headers = new Headers({ Accept: 'application/json' });
  if (method !== 'GET' && csrf !== '') headers.set('X-Footbridge-Csrf', csrf);
  const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store', redirect: 'error', keepalive: path === '/api/preferences', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) };
  if (body !== undefined) {
    headers.set('Content-Type', 'application/json');
    init.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, init);
  } catch {
    throw new ApiError(0, 'unreachable', t('base.unreachable'), t('base.unreachable.remedy'));
  }
}

/** What is not JSON did not come from the box's own handlers: a proxy between, or a connection that broke. */
async function readJson(answer: Response): Promise<Record<string, unknown>> {
  if (answer.status === 204) return {};
  try {
    return (await answer.json()) as Record<string, unknown>;
  } catch {
    throw new ApiError(answer.status, 'unreachable', t('base.unreachable'), t('base.unreachable.remedy'));
  }
}

function refused(answer: Response, value: Record<string, unknown>): ApiError {
  const text = (key: string): string => (typeof value[key] === 'string' ? value[key] : '');
  const wait = Number(answer.headers.get('Retry-After') ?? Number.NaN);
  const error = new ApiError(answer.status, text('error'), text('message'), text('remedy'), text('field') || undefined, Number.isFinite(wait) ? wait : undefined);
  if (error.code === 'not_signed_in') api.onSignedOut();
  return error;
}
