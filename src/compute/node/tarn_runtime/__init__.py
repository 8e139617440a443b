"""What code finds around it in an execution context: dbutils, spark, display, magic commands. Loaded into the kernel when it starts; what is heavy
(Spark Connect, pandas) only when it is first used."""
import builtins


def start(space):
    """Into a kernel's namespace. Quick: it is part of every context's start."""
    from tarn_runtime import dbutils, magics, output
    from tarn_runtime.spark import LazySpark

    spark = LazySpark()
    tools = dbutils.Dbutils()
    space.update(dbutils=tools, spark=spark, display=output.display, displayHTML=output.display_html, getArgument=tools.widgets.getArgument)
    builtins.__dict__.setdefault("spark", spark)
    magics.install(space)
    from IPython import get_ipython

    get_ipython().events.register("post_execute", output.tell_dropped)
