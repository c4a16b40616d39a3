"""Names that a function has no use for when only its inputs and its window decide, and what to use instead."""

from __future__ import annotations

CLOCKS = frozenset(
    {
        *(f"datetime.datetime.{name}" for name in ("now", "today", "utcnow")),
        "datetime.date.today",
        *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")),
        *(f"time.{name}" for name in ("perf_counter_ns", "process_time", "process_time_ns")),
        *(f"pandas.Timestamp.{name}" for name in ("now", "today", "utcnow")),
        "arrow.now",
        "arrow.utcnow",
        "pendulum.now",
        "pendulum.today",
        "whenever.Instant.now",
        "django.utils.timezone.now",
    }
)
"""What tells the time of the run, by its full name."""

CLOCKS_BY_ARGUMENT = {"numpy.datetime64": {"now", "today"}, "pandas.Timestamp": {"now", "today"}}
"""What tells the time of the run when it is called with one of these words."""

CHANCE = ("random.", "secrets.", "numpy.random.", "uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom")
"""What begins so is chance."""

SEEDED = frozenset(
    {
        "random.Random",
        *(f"numpy.random.{name}" for name in ("default_rng", "RandomState", "SeedSequence", "Generator")),
        *(f"numpy.random.{name}" for name in ("PCG64", "PCG64DXSM", "Philox", "MT19937", "SFC64")),
    }
)
"""What is chance only when it is called without a seed."""

VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream")

READERS = (
    *("polars.read_", "polars.scan_", "pandas.read_", "duckdb.read_", "duckdb.from_parquet", "duckdb.from_csv"),
    *("pyarrow.parquet.read_", "pyarrow.parquet.ParquetFile", "pyarrow.parquet.ParquetDataset", "pyarrow.csv.read_"),
    *("pyarrow.csv.open_csv", "pyarrow.json.read_json", "pyarrow.feather.read_", "pyarrow.orc.read_table"),
    *("pyarrow.dataset.dataset", "pyarrow.dataset.parquet_dataset", "pyarrow.memory_map", "pyarrow.OSFile"),
    *(f"{client}.{verb}" for client in ("requests", "httpx") for verb in VERBS),
    *("requests.Session", "httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession", "aiohttp.request"),
    *("urllib.request.urlopen", "urllib3.request", "urllib3.PoolManager", "http.client.HTTP", "ftplib.FTP"),
    *("boto3.client", "boto3.resource", "boto3.Session", "s3fs.S3FileSystem", "gcsfs.GCSFileSystem", "fsspec.open"),
    *("sqlite3.connect", "psycopg.connect", "psycopg2.connect", "sqlalchemy.create_engine", "connectorx.read_sql"),
    *("adbc_driver_sqlite.dbapi.connect", "adbc_driver_postgresql.dbapi.connect", "pymysql.connect"),
    *("pyiceberg.catalog.load_catalog", "lakeproof.Lakehouse", "deltalake.DeltaTable"),
    *("os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob", "importlib.resources."),
)
"""What begins so opens files, tables or servers by itself, when it is called."""

OPENERS = frozenset({"open", "io.open", "gzip.open", "bz2.open", "lzma.open", "zipfile.ZipFile", "tarfile.open"})
"""What opens a file to read, or to write, as its mode says."""

IN_MEMORY = frozenset({"io.StringIO", "io.BytesIO"})

LOGGED = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
"""Methods that tell a person something, and change no row."""

USE_WINDOW = "use the window: window.day, window.start, window.end"
USE_SEED = "use a seed that the window or the key gives, such as random.Random(seed), or uuid.uuid5 of the key"
USE_INPUT = "declare it as an input: only inputs are filtered to the window and recorded"
SORT_FIRST = "sort first, by enough columns that no two rows are alike"
