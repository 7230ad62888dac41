"""Training on documents, to be read from top to bottom: the run, its epochs, one epoch, one step, the log line."""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from data.common.errors import UserError
from data.common.runs import RunFolder
from data.text.encoding import EncodedCorpus, EncodedDocuments, encode_corpus
from data.text.word_vectors import word_vectors
from language.checkpoint import build_model, has_checkpoint, keep_inputs, require_same_inputs, restore
from language.config import Config
from language.criterion import criterion
from language.han import HAN
from language.inference import make_predict_step, predict_documents, require_gpus
from language.packed.han import Forward, quickest_forward

# words [B, S, W], categories [B, S, W], labels [B] -> sums over the batch
Step = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, tf.Tensor]]


def run_training(config: Config, run: RunFolder, seed: int, data: Path, cache: Path, gpus: str | None = None) -> None:
    """Encodes the data set and trains, as `python -m language.train` does.

    Args:
        config: the experiment.
        run: its run folder.
        seed: of the weights and of the order of the documents.
        data: folder of the data sets.
        cache: folder of the encoded data sets.
        gpus: the value of `--gpus`.

    Raises:
        UserError: the data set or run folder is missing or damaged, or TensorFlow failed, for example on a full disk.
    """
    require_gpus(gpus)
    corpus = encode_corpus(config.dataset, data, config.text, cache)
    try:
        train(config, corpus, run, seed)
    except tf.errors.OpError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{run.path}: TensorFlow failed ({reason}); fix it and rerun the command to resume") from None


def train(config: Config, corpus: EncodedCorpus, run: RunFolder, seed: int) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, up to the config's last epoch.

    The same config, seed and machine give the same bits, interrupted or not: the initial weights depend on the seed,
    the order of the documents on seed and epoch.

    Raises:
        UserError: the run folder is damaged or was started on other documents, or a loss or gradient is not finite.
    """
    device = _device()
    print(f"{run.path}: training on {device}")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()

    resuming = has_checkpoint(run)
    if resuming:
        require_same_inputs(run, corpus)
    else:
        keep_inputs(run, corpus)

    model = build_model(config, len(corpus.vocabulary), len(corpus.classes))
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    optimizer.build(model.trainable_variables)
    epochs_done = tf.Variable(0)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epochs_done=epochs_done)
    checkpoints = tf.train.CheckpointManager(checkpoint, str(run.checkpoints), max_to_keep=1)
    if resuming:
        restore(checkpoint, run)
        print(f"{run.path}: resuming after epoch {epochs_done.numpy()}")
    else:
        vectors = word_vectors(config.model.word_vectors, corpus, config.model.embedding_size, seed)
        model.embedding.set_weights([vectors])
    run.keep_epochs(int(epochs_done))

    forward = quickest_forward(model)
    step = make_train_step(model, forward, optimizer, config)
    predict = make_predict_step(forward, config)
    for epoch in range(int(epochs_done) + 1, config.training.epochs + 1):
        line = {"epoch": epoch, **train_epoch(step, corpus.train, config, seed, epoch)}
        if config.text.holdout:
            probabilities = predict_documents(predict, corpus.test).probabilities
            line["held_out_accuracy"] = float(np.mean(probabilities.argmax(axis=1) == corpus.test.labels))
        run.log_epoch(line)
        epochs_done.assign(epoch)
        checkpoints.save()
    run.finish(device)


def train_epoch(step: Step, documents: EncodedDocuments, config: Config, seed: int, epoch: int) -> dict[str, float]:
    """Trains on every document once, in an order drawn from seed and epoch.

    Returns:
        The epoch's line of the log: loss and accuracy averaged over the documents, relation_loss and center_mass over
        the sentences with a target pair (absent without FAN), each measured before the step on its batch; and times.

    Raises:
        UserError: a loss or gradient is not finite.
    """
    start = time.perf_counter()
    order = np.random.default_rng([seed, epoch]).permutation(len(documents))
    size = config.training.batch_size
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    totals: dict[str, float] = {}
    progress = tqdm(batches, desc=f"epoch {epoch}", unit="batch", mininterval=1, leave=False)
    for number, rows in enumerate(progress, start=1):
        sums = step(documents.words[rows], documents.categories[rows], documents.labels[rows])
        sums = {name: float(value) for name, value in sums.items()}
        if not all(map(np.isfinite, sums.values())):
            shown = ", ".join(documents.ids[rows[:3]])
            raise UserError(
                f"epoch {epoch}, batch {number} (documents {shown}, …): a loss or gradient is not finite ({sums}); "
                "lower training.learning_rate and train into another --runs folder"
            )
        totals = {name: totals.get(name, 0.0) + value for name, value in sums.items()}
    return _epoch_line(totals, config.relation_loss.weight, time.perf_counter() - start)


def make_train_step(model: HAN, forward: Forward, optimizer: keras.optimizers.Optimizer, config: Config) -> Step:
    """Compiles one optimisation step.

    Args:
        model: the network; its weights are trained.
        forward: computes its outputs: the model itself, or `packed_han` with its weights.
        optimizer: built for the model's weights.
        config: sizes of the documents, and the loss.
    """
    document = tf.TensorSpec((None, config.text.max_sentences, config.text.max_words), tf.int32)

    @tf.function(input_signature=[document, document, tf.TensorSpec((None,), tf.int32)])
    def compiled(words: tf.Tensor, categories: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits, attention = forward(words)
            losses = criterion(logits, attention, words, categories, labels, config.relation_loss)
        gradients = tape.gradient(losses.loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        sums = {
            "gradient_norm": tf.linalg.global_norm(gradients),
            "documents": tf.cast(tf.size(labels), tf.float32),
            "classification": tf.reduce_sum(losses.classification),
            "correct": tf.reduce_sum(tf.cast(losses.correct, tf.float32)),
        }
        if losses.relations is not None:
            related = losses.relations.related
            sums["related"] = tf.reduce_sum(related)
            sums["relation_loss"] = tf.reduce_sum(losses.relations.loss * related)
            sums["center_mass"] = tf.reduce_sum(losses.relations.center_mass * related)
        return sums

    def step(words: np.ndarray, categories: np.ndarray, labels: np.ndarray) -> dict[str, tf.Tensor]:
        return compiled(words.astype(np.int32), categories.astype(np.int32), labels)

    return step


def _epoch_line(totals: dict[str, float], weight: float, seconds: float) -> dict[str, float]:
    documents = totals["documents"]
    line = {"loss": totals["classification"] / documents, "accuracy": totals["correct"] / documents}
    if "related" in totals:
        related = max(totals["related"], 1.0)
        line["relation_loss"] = totals["relation_loss"] / related
        line["center_mass"] = totals["center_mass"] / related
        line["loss"] += weight * line["relation_loss"]
    return {**line, "seconds": round(seconds, 2), "documents_per_second": round(documents / seconds, 1)}


def _device() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"
