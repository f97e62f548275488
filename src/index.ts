/** The public surface: one function per command, and the pieces they are made of. */
export {
  checkGradients,
  type CheckedGradients,
  type DirectionCheck,
  type GradientCheck,
} from './autodiff/check-gradients.js';
export {
  type Differentiated,
  type DifferentiateOptions,
  differentiate,
  type Shapes,
} from './autodiff/differentiate.js';
export type { GradientRule, RuleContext } from './autodiff/gradient-rule.js';
export { rules as gradientRules } from './autodiff/rules/index.js';
export { trainableFromHere } from './autodiff/trainable-from-here.js';
export { GraftError, type GraftErrorCode } from './errors.js';
export { cutModel } from './graph/cut-model.js';
export type { FeatureLayer } from './graph/feature-layers.js';
export { type MergeOptions, mergeModels } from './graph/merge-models.js';
export { raiseOpset } from './graph/opset/raise-opset.js';
export { splitModel } from './graph/split-model.js';
export type { Logger, OnProgress, Progress } from './logger.js';
export { type CatalogueEntry, listCatalogue } from './models/catalogue.js';
export type { InputSpec, PixelSpec, TokenSpec } from './models/input-spec.js';
export type { PreprocessSpec } from './models/preprocess-spec.js';
export { GraphBuilder } from './onnx/graph-builder.js';
export type { Graph, Model, Node } from './onnx/ir.js';
export { decodeModel, readModel } from './onnx/read-model.js';
export { encodeModel, writeModel } from './onnx/write-model.js';
export { type AddedGradients, addGradients, type AddGradientsOptions } from './pipeline/add-gradients.js';
export { listFeatureLayers } from './pipeline/analyse-model.js';
export { type CacheOptions, type CacheReport, cacheFeatures, type Hooks } from './pipeline/cache-features.js';
export { evaluateFeatures, type EvaluateFeaturesOptions } from './pipeline/evaluate-features.js';
export { type EvaluateOptions, type EvaluationReport, evaluateModel } from './pipeline/evaluate-model.js';
export { examineMachine, type MachineReport } from './pipeline/examine-machine.js';
export {
  exportFeatures,
  type ExportFeaturesOptions,
  type ExportFeaturesReport,
} from './pipeline/export-features.js';
export { type ExportOptions, type ExportReport, exportRun } from './pipeline/export-run.js';
export { verifyRun } from './pipeline/verify-run.js';
export { getModel, type GetModelOptions, type GetModelReport } from './pipeline/get-model.js';
export { type Inspection, inspectModel } from './pipeline/inspect-model.js';
export {
  type CacheList,
  type CacheMaintenanceOptions,
  type CacheStats,
  cacheStats,
  type CacheVerification,
  listCache,
  pruneCache,
  type PruneReport,
  verifyCache,
} from './pipeline/maintain-cache.js';
export { predictFeatures, type PredictFeaturesOptions } from './pipeline/predict-features.js';
export type { Prediction } from './pipeline/describe-prediction.js';
export { type PredictOptions, predictInputs } from './pipeline/predict-inputs.js';
export { type PageReport, reportRun } from './pipeline/report-run.js';
export { type RunReport, runAll, tuneAndExport } from './pipeline/run-all.js';
export { type ModelServer, serveModel, type ServeOptions } from './pipeline/serve-model.js';
export type { FeatureTrainOptions, TrainHooks, TrainOptions, TrainReport } from './pipeline/training-run.js';
export { trainRun } from './pipeline/train-run.js';
export type { TuneHooks, TuneOptions, TuneReport } from './pipeline/tuning-run.js';
export { tuneRun } from './pipeline/tune-run.js';
export { type GradientOptions, type GradientReport, writeGradients } from './pipeline/write-gradients.js';
export { openPredictor, type Predictor } from './predict/predictor.js';
export type { TextPair } from './sources/text-pair.js';
export { probeShapes } from './runtime/probe-shapes.js';
export { openSession } from './runtime/open-session.js';
export type { Device, Session, SessionOptions } from './runtime/session.js';
export { float32, int64, type Tensor } from './tensor/tensor.js';
export type { FeatureSet } from './train/feature-set.js';
export { trainHead } from './train/train-head.js';
