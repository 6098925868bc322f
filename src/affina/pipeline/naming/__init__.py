"""Classification by the name of the label: a language model says or learns it. What that needs beside other runs."""
