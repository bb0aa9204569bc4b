"""Events are read a piece at a time from folders, .npy and Parquet, whoever wrote it, in any order of pieces."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Picture

from vae_edge.batch.columns import Column
from vae_edge.batch.inputs import Array, Held, Pictures, Several
from vae_edge.batch.inputs.parquet import Parquet, files_in
from vae_edge.batch.shards import Shards
from vae_edge.pictures.fitting import fit
from vae_edge.pictures.sheet import png
from vae_edge.pictures.treatment import PLAIN
from vae_edge.runtime.bundle.manifest import Image, Vector
from vae_edge.runtime.errors import DataError, InputError

SHAPE = (4, 3, 1)
IMAGE, TABLE = Image(*SHAPE, None), Vector(2, ("age", "height"))


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (50, *SHAPE), np.uint8)


def to_fit(array, name):
    return fit(array, name, SHAPE)


def source(paths, event=IMAGE, **options):
    paths = (paths,) if not isinstance(paths, tuple) else paths
    return Parquet(paths, event, to_fit, to_fit, **options)


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def picture(image):
    return png(image)


def lists(pixels, kind=None, shape=(-1,)):
    return pa.array(pixels.reshape(len(pixels), *shape).tolist(), kind)


# How others write images: what the column is made of.
WAYS = {
    "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray,
    "fixed lists": lambda pixels: lists(pixels, pa.list_(pa.uint8(), 12)),
    "lists of 64-bit numbers, as pandas has them": lambda pixels: lists(pixels, pa.list_(pa.int64())),
    "lists of lists, as Spark and Polars have them": lambda pixels: lists(pixels, None, (4, 3)),
    "floats": lambda pixels: lists(pixels / np.float32(255), pa.list_(pa.float32())),
    "PNG": lambda pixels: pa.array([picture(each) for each in pixels], pa.binary()),
    "structs of Hugging Face": lambda pixels: pa.array([{"bytes": picture(each), "path": ""} for each in pixels]),
}


@pytest.mark.parametrize("way", WAYS)
def test_images_are_read_however_they_were_written(tmp_path, pixels, way):
    path = write(tmp_path / "a.parquet", {"image": WAYS[way](pixels)}, row_group_size=17)
    found = source(path).open().read(0, 50).events
    assert found.shape == (50, *SHAPE)
    assert (np.rint(found * 255.0 if found.dtype.kind == "f" else found) == pixels).all()
    assert found.dtype.kind == "f" or found.dtype == np.uint8


def test_pieces_in_any_order_are_what_one_piece_is(tmp_path, pixels):
    paths = tuple(
        write(tmp_path / f"{at}.parquet", {"image": WAYS["tensor"](pixels[at : at + 20])}, row_group_size=6)
        for at in (0, 20, 40)
    )
    whole = source(paths)
    assert whole.count == 50
    reader = whole.open()
    for start, stop in [(0, 1), (1, 7), (7, 50), (39, 41), (0, 50), (19, 21), (49, 50), (3, 4), (20, 40)]:
        found = reader.read(start, stop)
        assert (found.events == pixels[start:stop]).all()
        files = [(at, row) for at, n in ((0, 20), (20, 20), (40, 10)) for row in range(n)]
        assert found.names == [f"{at}.parquet:{row}" for at, row in files[start:stop]]


def test_thousands_of_files_are_read_one_at_a_time(tmp_path, pixels, run_python):
    for at in range(80):
        write(tmp_path / f"{at:02}.parquet", {"image": WAYS["tensor"](pixels[at % 50 : at % 50 + 1])})
    code = """
import resource, sys
from pathlib import Path
from vae_edge.batch.inputs.parquet import Parquet, files_in
from vae_edge.runtime.bundle.manifest import Image
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
source = Parquet(files_in(Path(sys.argv[1])), Image(4, 3, 1, None), lambda x, name: x, None)
assert source.count == len(source.open().read(0, 80).events) == 80
"""
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_row_keeps_its_id_its_name_and_its_label(tmp_path, pixels):
    columns = {"id": np.arange(50) + 7, "name": [f"n{k}" for k in range(50)], "image": WAYS["tensor"](pixels)}
    path = write(tmp_path / "a.parquet", columns | {"kind": ["cat", "dog"] * 25})
    found = source(path, label="kind").open().read(10, 12)
    assert found.kept["id"].tolist() == [17, 18]
    assert found.names == ["n10", "n11"]
    assert found.labels.tolist() == ["cat", "dog"]
    with pytest.raises(InputError, match="has no column 'sort' of labels; it has id"):
        source(path, label="sort").open().read(0, 1)


def test_a_tables_columns_are_matched_by_name(tmp_path):
    path = write(tmp_path / "a.parquet", {"height": [1.5, 2.5], "other": ["x", "y"], "age": [30, 40]})
    assert source(path, TABLE).open().read(0, 2).events.tolist() == [[30, 1.5], [40, 2.5]]
    assert source(path, Vector(2)).open().read(0, 2).events.tolist() == [[1.5, 30], [2.5, 40]]
    listed = write(tmp_path / "b.parquet", {"row": pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2))})
    assert source(listed, Vector(2)).open().read(0, 1).events.tolist() == [[1, 2]]
    with pytest.raises(InputError, match=r"lacks 1 of the bundle's 2 columns: age; it has height"):
        source(write(tmp_path / "c.parquet", {"height": [1.0]}), TABLE).open().read(0, 1)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[1] * 12, None], pa.list_(pa.uint8())), "from row 0: 1 values are missing"),
        (pa.array([[1] * 12, [1] * 11 + [None]], pa.list_(pa.uint8())), "from row 0: 1 values are missing"),
        (
            pa.array([[1] * 5] * 2, pa.list_(pa.uint8())),
            r"expected 12 numbers an image, of shape \(4, 3, 1\); there are 5",
        ),
        (pa.array([[300] * 12] * 2, pa.list_(pa.int32())), "pixels from 0 to 255, they go to 300"),
        (pa.array([b"", None], pa.binary()), "row 0: expected the bytes of a picture"),
        (pa.array([b"no picture", b""], pa.binary()), "a.parquet:0"),
    ],
)
def test_what_is_no_image_is_said(tmp_path, column, message):
    path = write(tmp_path / "a.parquet", {"image": column})
    with pytest.raises(DataError, match=message):
        source(path).open().read(0, 2)


def test_what_is_no_parquet_or_no_number_is_said(tmp_path, pixels):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"a\.parquet: not a Parquet file"):
        _ = source(tmp_path / "a.parquet").count
    with pytest.raises(DataError, match="no such file"):
        _ = source(tmp_path / "b.parquet").count
    path = write(tmp_path / "c.parquet", {"age": ["x"], "height": [1.0]})
    with pytest.raises(DataError, match="column 'age': expected numbers, it holds string"):
        source(path, TABLE).open().read(0, 1)
    path = write(tmp_path / "d.parquet", {"a": WAYS["tensor"](pixels), "b": WAYS["tensor"](pixels)})
    with pytest.raises(InputError, match="which column holds the images"):
        source(path).open().read(0, 1)
    assert (source(path, column="b").open().read(0, 1).events == pixels[:1]).all()


def test_shards_of_a_job_that_is_not_done_are_no_input(tmp_path, pixels):
    def make(here):
        if here.start >= 20:
            raise KeyboardInterrupt
        yield {"id": np.arange(here.start, here.stop), "image": pixels[here.start : here.stop]}

    columns = (Column("id", "int64"), Column("image", "uint8", SHAPE))
    with pytest.raises(KeyboardInterrupt):
        Shards(tmp_path, "parquet", columns, 50, 10, {}).write(make)
    with pytest.raises(DataError, match="rows are still missing: end that job first, by --resume"):
        files_in(tmp_path)


def test_a_folder_of_pictures_is_read_by_pieces_with_names_and_labels(tmp_path, pixels):
    for at, image in enumerate(pixels[:6]):
        path = tmp_path / ("cat" if at < 3 else "dog") / f"{at}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(image))
    Picture.fromarray(np.repeat(pixels[6], 3, axis=2)).save(tmp_path / "dog" / "6.png")  # grey, saved in colour
    paths = tuple(sorted(tmp_path.rglob("*.png")))
    reader = pickle.loads(pickle.dumps(Pictures(tmp_path, paths, to_fit, PLAIN))).open()
    found = reader.read(2, 7)
    assert (found.events == pixels[2:7]).all()
    assert found.names == ["cat/2.png", "dog/3.png", "dog/4.png", "dog/5.png", "dog/6.png"]
    assert found.labels.tolist() == ["cat", "dog", "dog", "dog", "dog"]


@pytest.mark.parametrize("shape", [(50, *SHAPE), (50, 4, 3)])
def test_an_npy_stays_on_the_disk(tmp_path, pixels, shape):
    np.save(tmp_path / "a.npy", pixels.reshape(shape))
    array = Array(tmp_path / "a.npy", lambda part, name: part.reshape(-1, *SHAPE), SHAPE)
    assert array.count == 50
    found = array.open().read(13, 17)
    assert (found.events == pixels[13:17]).all()
    assert found.names == [f"a.npy:{k}" for k in range(13, 17)]
    np.save(tmp_path / "one.npy", pixels[0])
    assert Array(tmp_path / "one.npy", to_fit, SHAPE).count == 1
    (tmp_path / "b.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"b\.npy: not an \.npy of plain numbers"):
        _ = Array(tmp_path / "b.npy", to_fit, SHAPE).count
    (tmp_path / "c.npy").write_bytes(np.lib.format.MAGIC_PREFIX + b"\x01\x00")
    with pytest.raises(DataError, match=r"c\.npy: not an"):
        _ = Array(tmp_path / "c.npy", to_fit, SHAPE).count


def test_several_inputs_are_one_row_of_events(tmp_path, pixels):
    def held(part, labels=None):
        return Held(pixels[part], [f"{k}" for k in range(50)[part]], labels, None)

    whole = Several((held(slice(0, 20)), held(slice(20, 21)), held(slice(21, 50))), 5, 40)
    assert whole.count == 40
    reader = whole.open()
    for start, stop in [(0, 40), (0, 1), (14, 17), (39, 40), (15, 16)]:
        found = reader.read(start, stop)
        assert (found.events == pixels[5 + start : 5 + stop]).all()
        assert found.names == [f"{k}" for k in range(5 + start, 5 + stop)]
        assert found.labels is None
    assert Several((held(slice(0, 20)),), 15).count == 5
    assert Several((held(slice(0, 20)),), 25).count == 0


def test_the_state_of_a_source_changes_with_its_files(tmp_path, pixels):
    path = write(tmp_path / "a.parquet", {"image": WAYS["tensor"](pixels)})
    before = source(path).state
    assert source(path).state == before
    write(path, {"image": WAYS["tensor"](pixels[:49])})
    assert source(path).state != before


def test_memory_stays_flat_over_a_large_row_group(tmp_path, run_python):
    """Rows are decoded some at a time: a row group of 100 MB takes a part of that."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from vae_edge.batch.inputs.parquet import Parquet
from vae_edge.runtime.bundle.manifest import Image
path = Path(sys.argv[1])
if sys.argv[2] == "write":
    part = pa.table({"image": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(100_000_000, np.uint8)), 4000)})
    pq.write_table(part, path, row_group_size=25_000)
    sys.exit()
source = Parquet((path,), Image(50, 80, 1, None), lambda x, name: x, None)
assert source.count == 25_000
reader = source.open()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(int(reader.read(at, at + 500).events.sum()) for at in range(0, 25_000, 500))
assert total == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    path = tmp_path / "a.parquet"
    assert run_python(code, path, "write").returncode == 0
    done = run_python(code, path, "read")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 90_000, done.stdout  # KiB
