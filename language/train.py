"""Trains one documents experiment into its run folder: `python -m language.train CONFIG --seed K`."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from data.common.config import read_config
from data.common.errors import UserError, run_command
from data.common.options import choose_gpus, training_parser
from data.common.runs import RunFolder
from data.text.encoding import EncodedCorpus, EncodedDocuments, encode_corpus
from data.text.word_vectors import word_vectors
from language.config import Config
from language.options import add_cache_option, require_gpus
from language.predict import make_predict_step, predict_documents

if TYPE_CHECKING:
    import tensorflow as tf

    from language.han import HAN
    from language.packed.han import Forward

EXAMPLE = """\
example, the supervised network of Table 6 on 20 Newsgroups:
  python -m language.train language/configs/paper/20news/fan-sup.yaml --seed 0

The same command goes on with an interrupted run and returns at once from a finished one. Afterwards:
  python -m language.predict runs/paper/20news/fan-sup/seed0
  python -m scripts.evaluate classification runs/paper/20news/fan-sup/seed0
"""

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, "tf.Tensor"]]


def train(config: Config, corpus: EncodedCorpus, run: RunFolder, seed: int) -> None:
    """Trains from the newest checkpoint in the run folder, or from the start, to the config's last epoch.

    The same config, seed and machine give the same bits, whether or not the run was interrupted: the weights come from
    the seed, the order of the documents from seed and epoch.
    """
    # TensorFlow is imported here, so that --help and finished runs need not wait for it.
    import keras
    import tensorflow as tf

    from language.checkpoint import build_model, has_checkpoint, keep_inputs, require_same_inputs, restore
    from language.packed.han import quickest_forward

    device = _device()
    print(f"{run.path}: training on {device}")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    resumes = has_checkpoint(run)
    if resumes:
        require_same_inputs(run, corpus)
    else:
        keep_inputs(run, corpus)
    model = build_model(config, len(corpus.vocabulary), len(corpus.classes))
    optimizer = keras.optimizers.Adam(config.training.learning_rate)
    optimizer.build(model.trainable_variables)
    epochs_done = tf.Variable(0)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epochs_done=epochs_done)
    checkpoints = tf.train.CheckpointManager(checkpoint, str(run.checkpoints), max_to_keep=1)
    if resumes:
        restore(checkpoint, run)
        print(f"{run.path}: goes on after epoch {epochs_done.numpy()}")
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
    """One pass over the documents in an order drawn from seed and epoch.

    Returns:
        means over the epoch: loss and accuracy over documents, relation_loss and center_mass over the sentences that
        hold a target pair (absent without FAN), as the network was when each batch came; and the time it took.

    Raises:
        UserError: a loss or gradient is not finite.
    """
    start = time.perf_counter()
    totals: dict[str, float] = {}
    batches = list(_batches(len(documents), config.training.batch_size, seed, epoch))
    for number, rows in enumerate(
        tqdm(batches, desc=f"epoch {epoch}", unit="batch", mininterval=1, leave=False), start=1
    ):
        sums = step(documents.words[rows], documents.categories[rows], documents.labels[rows])
        sums = {name: float(value) for name, value in sums.items()}
        if not all(map(np.isfinite, sums.values())):
            shown = ", ".join(documents.ids[rows[:3]])
            raise UserError(
                f"epoch {epoch}, batch {number} (documents {shown}, …): a loss or gradient is not finite ({sums}); "
                "try a smaller training.learning_rate in another --runs folder"
            )
        totals = {name: totals.get(name, 0.0) + value for name, value in sums.items()}
    return _epoch_line(totals, config.relation_loss.weight, time.perf_counter() - start)


def make_train_step(model: "HAN", forward: "Forward", optimizer: Any, config: Config) -> Step:
    """Compiles one optimisation step: words [B, S, W], categories [B, S, W], labels [B] -> sums over the batch.

    `forward` is the model, or another way to compute the same from its weights.
    """
    import tensorflow as tf

    from language.criterion import criterion

    shape = (None, config.text.max_sentences, config.text.max_words)

    @tf.function(
        input_signature=[
            tf.TensorSpec(shape, tf.int32),
            tf.TensorSpec(shape, tf.int32),
            tf.TensorSpec((None,), tf.int32),
        ]
    )
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


def _batches(count: int, size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return (order[start : start + size] for start in range(0, count, size))


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
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"


def main() -> None:
    """Command line of `python -m language.train`."""
    parser = training_parser("language", EXAMPLE)
    add_cache_option(parser)
    arguments = parser.parse_args()
    choose_gpus(arguments.gpus)
    config = read_config(Config, arguments.config, arguments.set)
    run = RunFolder.claim(arguments.runs, config, arguments.seed)
    if run.finished:
        print(f"{run.path}: training has ended already")
        return
    require_gpus(arguments.gpus)
    corpus = encode_corpus(config.dataset, arguments.data, config.text, arguments.cache or arguments.runs / "cache")
    from tensorflow.errors import OpError

    try:
        train(config, corpus, run, arguments.seed)
    except OpError as error:  # A disk that is full when a checkpoint is written, or a GPU's memory.
        reason = str(error).partition("\n")[0]
        raise UserError(f"{run.path}: TensorFlow stopped ({reason}); mend that and give the same command") from None


if __name__ == "__main__":
    run_command(main)
