/**
 * The calls of an MLflow tracking server that a run needs. https://mlflow.org/docs/latest/rest-api.html
 * Credentials come from where MLflow's own clients take them: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and
 * MLFLOW_TRACKING_PASSWORD, or the address.
 */
import { Buffer } from 'node:buffer';
import { beginningOf, shortenText } from '../shorten-text.js';

export interface MlflowMetric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds. */
  readonly timestamp: number;
  readonly step: number;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface MlflowRun {
  readonly runId: string;
  readonly artifactUri: string;
}

/** Limits of one log-batch call. */
const mostMetrics = 1000;
const mostPairs = 100;
const longestParameter = 6000;
const longestTag = 5000;

export interface MlflowClient {
  /** Without the credentials that it may hold. */
  readonly address: string;
  /** Finds or makes the experiment. @returns its id */
  experiment(name: string): Promise<string>;
  createRun(
    experimentId: string,
    name: string,
    startTime: number,
    tags: readonly KeyValue[],
  ): Promise<MlflowRun>;
  log(runId: string, parameters: readonly KeyValue[], metrics: readonly MlflowMetric[]): Promise<void>;
  updateRun(runId: string, fields: { status: string; endTime?: number }): Promise<void>;
  /** Where the server itself takes artifacts; does nothing where they are kept elsewhere. */
  uploadArtifact(run: MlflowRun, name: string, content: Uint8Array): Promise<void>;
}

/** An answer of the server that is no success. */
class MlflowError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** @throws TypeError where `url` is no address. */
export function mlflowClient(url: string, timeoutMs: number): MlflowClient {
  const { address, headers } = splitCredentials(url);
  const call = async (method: string, route: string, body?: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${address}/api/2.0/mlflow/${route}`, {
      method,
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text || '{}') as Record<string, unknown>;
    let parsed: { error_code?: string; message?: string } = {};
    try {
      parsed = JSON.parse(text) as typeof parsed;
    } catch {
      // A proxy's page, not MLflow's answer.
    }
    const { error_code: code = `HTTP_${response.status}`, message = shortenText(text, 200) } = parsed;
    throw new MlflowError(code, `${route} was answered with ${response.status} ${code}: ${message}`);
  };
  const findExperiment = async (name: string): Promise<string> => {
    const route = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
    const { experiment } = await call('GET', route);
    return (experiment as { experiment_id: string }).experiment_id;
  };
  return {
    address,
    async experiment(name) {
      try {
        return await findExperiment(name);
      } catch (error) {
        if ((error as MlflowError).code !== 'RESOURCE_DOES_NOT_EXIST') throw error;
      }
      try {
        return (await call('POST', 'experiments/create', { name })).experiment_id as string;
      } catch (error) {
        // Another run has made it in between.
        if ((error as MlflowError).code !== 'RESOURCE_ALREADY_EXISTS') throw error;
        return findExperiment(name);
      }
    },
    async createRun(experimentId, name, startTime, tags) {
      const { run } = await call('POST', 'runs/create', {
        experiment_id: experimentId,
        run_name: name,
        start_time: startTime,
        tags: tags.slice(0, mostPairs).map((tag) => cut(tag, longestTag)),
      });
      const { info } = run as { info: { run_id: string; artifact_uri?: string } };
      return { runId: info.run_id, artifactUri: info.artifact_uri ?? '' };
    },
    async log(runId, parameters, metrics) {
      for (let from = 0; from < parameters.length; from += mostPairs) {
        const params = parameters.slice(from, from + mostPairs).map((pair) => cut(pair, longestParameter));
        await call('POST', 'runs/log-batch', { run_id: runId, params });
      }
      for (let from = 0; from < metrics.length; from += mostMetrics) {
        await call('POST', 'runs/log-batch', {
          run_id: runId,
          metrics: metrics.slice(from, from + mostMetrics),
        });
      }
    },
    async updateRun(runId, { status, endTime }) {
      await call('POST', 'runs/update', { run_id: runId, status, ...(endTime && { end_time: endTime }) });
    },
    async uploadArtifact({ artifactUri }, name, content) {
      const proxied = /^mlflow-artifacts:\/*(?:[^/]+:\d+\/+)?(.*)$/.exec(artifactUri);
      if (!proxied) return;
      const route = [...proxied[1]!.split('/'), name].map(encodeURIComponent).join('/');
      const response = await fetch(`${address}/api/2.0/mlflow-artifacts/artifacts/${route}`, {
        method: 'PUT',
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body: Buffer.from(content),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (!response.ok)
        throw new MlflowError(`HTTP_${response.status}`, `${name} was answered with ${response.status}`);
    },
  };
}

function cut({ key, value }: KeyValue, longest: number): KeyValue {
  return { key: beginningOf(key, 250), value: beginningOf(value, longest) };
}

function splitCredentials(url: string): { address: string; headers: Record<string, string> } {
  const parsed = new URL(url);
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD } = process.env;
  const user = decodeURIComponent(parsed.username) || MLFLOW_TRACKING_USERNAME;
  const password = decodeURIComponent(parsed.password) || (MLFLOW_TRACKING_PASSWORD ?? '');
  parsed.username = '';
  parsed.password = '';
  const address = `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '');
  if (user) {
    const pair = Buffer.from(`${user}:${password}`).toString('base64');
    return { address, headers: { authorization: `Basic ${pair}` } };
  }
  return { address, headers: token ? { authorization: `Bearer ${token}` } : {} };
}
