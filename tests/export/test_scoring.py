"""A fit of scores: what is like the training data comes out at the stated rate, and what is not stands out."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from vae_edge.batch.inputs import Held
from vae_edge.cluster import tasks
from vae_edge.export import scoring
from vae_edge.export.scoring import Sample
from vae_edge.runtime import VAE, InputError, IntegrityError

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def own(bundle_of):
    """The table's bundle, in a VAE, and 6,000 rows of its own."""
    vae = VAE.load(bundle_of("table"), threads=1)
    return vae, vae.generate(6000, head="sample", seed=1)


@pytest.fixture(scope="module")
def fitted(own):
    vae, rows = own
    return scoring.fit(vae, Sample(rows[:2000]), Sample(rows[2000:4000]), rate=0.05, draws=4, command="by hand")


@pytest.fixture
def scored(own, fitted, tmp_path):
    """The bundle with the fit."""
    vae, _ = own
    folder = shutil.copytree(vae.bundle.folder, tmp_path / "scored")
    scoring.write(folder, fitted, vae.manifest.digest)
    return VAE.load(folder, threads=1)


def test_what_is_like_the_training_data_comes_out_at_the_stated_rate(own, scored):
    _, rows = own
    found = scored.score(rows[4000:])
    # of a threshold on 2,000 events and 2,000 others, 4 standard errors
    assert found.is_unusual.mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 * 2 / 2000))
    assert scored.manifest.scores.held_out == 2000
    assert scored.manifest.scores.false_positive_rate == 0.05


def test_what_is_unlike_stands_out(own, scored):
    _, rows = own
    spoiled = rows[4000:].copy()
    spoiled[:, 2] += 40 * rows[:, 2].std()
    assert scored.score(spoiled).is_unusual.all()


def test_the_same_events_give_the_same_bytes(own, fitted):
    vae, rows = own
    again = scoring.fit(vae, Sample(rows[:2000]), Sample(rows[2000:4000]), rate=0.05, draws=4, command="by hand")
    assert again == fitted


def test_a_few_held_out_events_say_which_rate_they_can_hold(own):
    vae, rows = own
    few = scoring.fit(vae, Sample(rows[:400]), Sample(rows[2000:2019]), draws=2)
    assert few.scores.false_positive_rate == 0.05  # 1 of 19 + 1
    with pytest.raises(InputError, match="or more, there are 30"):
        scoring.fit(vae, Sample(rows[:30]), Sample(rows[2000:2019]), draws=2)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_rates_that_make_no_sense_are_refused(own, rate):
    vae, rows = own
    with pytest.raises(InputError, match="rate"):
        scoring.fit(vae, Sample(rows[:400]), Sample(rows[:10]), rate=rate)


def test_a_bundle_that_has_changed_since_is_left_alone(scored, fitted):
    before = (scored.bundle.folder / "manifest.json").read_bytes()
    with pytest.raises(IntegrityError, match="another bundle"):
        scoring.write(scored.bundle.folder, fitted, "0" * 64)
    assert (scored.bundle.folder / "manifest.json").read_bytes() == before


def test_the_card_tells_of_the_fit_once(own, fitted, tmp_path):
    vae, _ = own
    folder = shutil.copytree(vae.bundle.folder, tmp_path / "carded")
    (folder / "CARD.md").write_text("# table\n\n## Figures\nnone\n\n## Limits\nmany\n")
    said = scoring.write(folder, fitted, vae.manifest.digest)
    scoring.write(folder, fitted, said.digest)
    card = (folder / "CARD.md").read_text()
    assert card.count("## Scores") == 1
    assert "a share of 5.00% had a higher one" in card
    assert card.index("## Figures") < card.index("## Scores") < card.index("## Limits")
    assert "    by hand\n" in card


def test_labels_have_a_threshold_with_and_one_without(bundle_of, tmp_path):
    vae = VAE.load(bundle_of("index"), threads=1)
    labels = np.arange(1200) % 4
    x = vae.generate(1200, head="sample", seed=1, label=labels)
    fit = scoring.fit(vae, Sample(x[:800], {"label": labels[:800]}), Sample(x[800:], {"label": labels[800:]}), draws=2)
    assert fit.scores.threshold_without_label is not None
    assert fit.scores.threshold_without_label != fit.scores.threshold

    # One without the second threshold judges labelled events alone; a job of a cluster says so.
    folder = shutil.copytree(vae.bundle.folder, tmp_path / "labelled")
    of_labels = dataclasses.replace(fit.scores, threshold_without_label=None)
    scoring.write(folder, dataclasses.replace(fit, scores=of_labels), vae.manifest.digest)
    vae = VAE.load(folder, threads=1)

    def score(labels, draws=None):
        events = Held(x[:3], ["a", "b", "c"], labels, None)
        task = tasks.Score(events, tasks.Given(), draws, seed=0)
        batch = task.rows(vae, task.open(), slice(0, 3))
        assert {"part", *batch} == {column.name for column in task.columns(vae)}
        return batch

    assert np.array_equal(score(labels[:3])["value"], vae.score(x[:3], label=labels[:3]).value)
    assert "value" not in score(None, draws=3)
    with pytest.raises(InputError, match="is for events with labels: give label= or label_column=, or another number"):
        score(None)
