/** The distributions that the two graphs and the prior speak of, with the names of TensorFlow Probability's. */

export { Distribution, type AxesOptions, type NoiseOptions, type SampleOptions } from "./base.js";
export { Bernoulli } from "./bernoulli.js";
export { Categorical } from "./categorical.js";
export { Deterministic } from "./deterministic.js";
export { DiscretizedLogistic, type LevelsOptions } from "./discretized-logistic.js";
export { Flow, type FlowGraphs } from "./flow.js";
export { HEADS, type Head } from "./heads.js";
export { Mixture } from "./mixture.js";
export { MultivariateNormalTriL } from "./multivariate-normal.js";
export { Normal, type NormalOptions } from "./normal.js";
